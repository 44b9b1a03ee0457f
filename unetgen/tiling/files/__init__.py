"""Read and write images in files; region by region if the format supports it."""
