"""A Ray cluster of several nodes on this machine."""

import contextlib
import gc
import logging
import os
import warnings
from unittest.mock import patch

MEGABYTES = 100


@contextlib.contextmanager
def ray_cluster(nodes=2, client_port=None):
    """Start nodes of one processor each, and connect to them; clients may connect to a port."""
    import ray
    from ray.cluster_utils import Cluster

    size = {"num_cpus": 1, "object_store_memory": MEGABYTES << 20}
    head = {**size, "include_dashboard": False}
    environment = {}
    if client_port is not None:
        head["ray_client_server_port"] = client_port
        # Otherwise the handlers that gRPC runs at forks now and then end the first server process.
        environment["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    with warnings.catch_warnings(), patch.dict(os.environ, environment):
        # Ray leaves log files of its server for clients to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        cluster = Cluster(initialize_head=True, head_node_args=head)
        gc.collect()
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**size)
        ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
