"""Store, test, tabulate and report the results of trials."""
