"""Compare networks: settings, costs and initial weights."""
