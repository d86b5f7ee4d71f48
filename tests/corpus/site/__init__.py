"""The corpus site: a Django site with the guard installed as its documentation says."""
