"""Use MONAI's blocks, upsamplings, attentions and gates as parts of unetgen."""
