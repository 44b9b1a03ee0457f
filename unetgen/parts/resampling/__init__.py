"""Parts that change the resolution between levels: downsamplings and upsamplings."""
