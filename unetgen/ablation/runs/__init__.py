"""Running an ablation: trials of a sweep's variants, by processes of this machine or by a cluster."""
