"""A Ray cluster of several nodes on this machine."""

import contextlib
import logging

MEGABYTES = 100


@contextlib.contextmanager
def ray_cluster(nodes=2):
    """Start nodes of one processor each, and connect to them."""
    import ray
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": MEGABYTES << 20}
    cluster = Cluster(initialize_head=True, head_node_args={**size, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**size)
        ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
