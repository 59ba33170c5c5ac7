"""What hack/cluster and hack/images are made of; standard library only."""
