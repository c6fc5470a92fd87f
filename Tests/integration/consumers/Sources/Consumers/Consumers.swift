// An empty target, which exists for its dependencies.
