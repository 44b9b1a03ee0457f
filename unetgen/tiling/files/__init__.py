"""Images in files: each format reads regions where it can, and takes results region by region where it can."""
