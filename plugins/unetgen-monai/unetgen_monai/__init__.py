"""unetgen-monai: MONAI's own blocks, upsamplings, attentions and gates as parts of unetgen."""
