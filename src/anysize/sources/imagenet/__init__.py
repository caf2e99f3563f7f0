"""ImageNet in the forms in which people have it, and the files that come with it."""
