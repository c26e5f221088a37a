"""Import and export of preference datasets: uploads, files, manifests, dataset cards."""
