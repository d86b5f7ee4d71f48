"""The site that the faults happen to: guarded applications that note what reached them, and a writer."""
