"""Trains on the digits on several nodes at once, data-parallel, with jax: the same program on each. Started by run.yaml.

Rank and addresses come from the variables that Blueno sets for numNodes > 1. Each rank reads its own share of the
samples; after every step the slopes are averaged over the ranks, so that all have the same weights, bit for bit. That
is checked at the end, and rank 0 writes weights.npz and ranks.json to BLUENO_OUTPUT.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import blueno

_DNS_SECONDS = 60.0  # a pod's name is known a few seconds after the pod has its address
_EPOCHS, _BATCH, _RATE, _HIDDEN = 40, 32, 0.1, 64  # the batch is that of one rank
Weights = dict[str, jax.Array]


def address_of(host: str) -> str:
    """The IP address of a host, waited for."""
    end = time.monotonic() + _DNS_SECONDS
    while True:
        try:
            return str(socket.getaddrinfo(host, None)[0][4][0])
        except socket.gaierror as error:
            if time.monotonic() > end:
                raise SystemExit(f"the name {host} is not known after {_DNS_SECONDS:.0f} s: {error}") from None
            time.sleep(0.5)


def is_mine(address: str) -> bool:
    """Whether the address belongs to this machine: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def check_names(rank: int, ranks: int, master: str) -> None:
    """Ends the program unless the names of all ranks resolve, and this rank's leads to this very machine.

    Pods are called <job>-<rank>.<service>; elsewhere only rank 0 has a name, PET_MASTER_ADDR.
    """
    first, _, rest = master.partition(".")
    hosts = [f"{first[:-1]}{n}.{rest}" for n in range(ranks)] if first.endswith("-0") else [master]
    addresses = [address_of(host) for host in hosts]
    for host, address in zip(hosts, addresses, strict=True):
        print(f"rank {rank} finds {host} at {address}", flush=True)
    if rank < len(addresses) and not is_mine(addresses[rank]):
        raise SystemExit(f"{hosts[rank]} is {addresses[rank]}, which is not where rank {rank} runs")


def loss_of(weights: Weights, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean cross-entropy of a network with one hidden layer; x: (samples, 64), y: (samples,)."""
    scores = jax.nn.relu(x @ weights["w1"] + weights["b1"]) @ weights["w2"] + weights["b2"]
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], axis=1))


@jax.jit
def step(weights: Weights, x: jax.Array, y: jax.Array) -> tuple[Weights, jax.Array]:
    """One step down. x and y are spread over the ranks, weights are not: jax puts the exchange in between."""
    loss, slope = jax.value_and_grad(loss_of)(weights, x, y)
    return jax.tree.map(lambda w, g: w - _RATE * g, weights, slope), loss


def training_samples() -> tuple[np.ndarray, np.ndarray]:
    """Pixels (samples, 64) and labels of the digits that are not held out; see 10-digits-jax."""
    digits = blueno.open_dataset(os.environ["BLUENO_DATASET_DIGITS"])
    train = np.array([hashlib.sha256(key.encode()).digest()[0] >= 51 for key in digits.keys])
    x = digits.batch(range(len(digits))).reshape(len(digits), 64).astype(np.float32) / 255
    return x[train], digits.labels[train]


def train(rank: int, ranks: int) -> dict[str, np.ndarray]:
    """The weights as this rank has them in the end."""
    x, y = training_samples()
    steps = len(x) // ranks // _BATCH  # the same on every rank, or one would wait for the others for ever
    if not steps:
        raise SystemExit(f"{len(x)} samples are too few for {ranks} ranks with batches of {_BATCH}")
    x, y = x[rank::ranks], y[rank::ranks]
    print(f"rank {rank} of {ranks}: {len(x)} samples of its own", flush=True)
    mesh = Mesh(np.array(jax.devices()), ("ranks",))
    spread, same = NamedSharding(mesh, PartitionSpec("ranks")), NamedSharding(mesh, PartitionSpec())
    start = np.random.default_rng(1)
    weights: Weights = {
        name: jax.make_array_from_process_local_data(same, value)
        for name, value in {
            "w1": start.standard_normal((64, _HIDDEN), np.float32) / 8,
            "b1": np.zeros(_HIDDEN, np.float32),
            "w2": start.standard_normal((_HIDDEN, 10), np.float32) / _HIDDEN**0.5,
            "b2": np.zeros(10, np.float32),
        }.items()
    }
    order = np.random.default_rng(rank)
    for epoch in range(1, _EPOCHS + 1):
        rows = order.permutation(len(x))
        for i in range(steps):
            mine = rows[i * _BATCH : (i + 1) * _BATCH]
            batch = [jax.make_array_from_process_local_data(spread, part[mine]) for part in (x, y)]
            weights, loss = step(weights, *batch)
        if rank == 0:
            blueno.report(step=epoch, progress=epoch / _EPOCHS, loss=float(loss))
    return {name: np.asarray(value.addressable_data(0)) for name, value in weights.items()}


def gathered(text: str) -> list[str]:
    """What each rank says, in the order of the ranks; at most 128 bytes each."""
    padded = np.frombuffer(text.encode()[:128].ljust(128, b"\0"), np.uint8)
    return [bytes(row).rstrip(b"\0").decode() for row in multihost_utils.process_allgather(padded)]


def main() -> None:
    """One rank of one run."""
    rank, ranks = int(os.environ["PET_NODE_RANK"]), int(os.environ["PET_NNODES"])
    check_names(rank, ranks, os.environ["PET_MASTER_ADDR"])
    # jax reads the address from the environment itself, but not these two.
    jax.distributed.initialize(
        num_processes=int(os.environ["JAX_NUM_PROCESSES"]), process_id=int(os.environ["JAX_PROCESS_ID"])
    )
    weights = train(rank, ranks)
    digest = hashlib.sha256(b"".join(weights[name].tobytes() for name in sorted(weights))).hexdigest()
    said = [json.loads(line) for line in gathered(json.dumps([rank, socket.gethostname()[:48], digest[:32]]))]
    if [one[0] for one in said] != list(range(ranks)):
        raise SystemExit(f"the ranks are not in order: {said}")
    if len({one[2] for one in said}) != 1:
        raise SystemExit(f"the ranks have ended with different weights: {said}")
    if rank == 0:
        output = Path(os.environ.get("BLUENO_OUTPUT", "output"))
        output.mkdir(parents=True, exist_ok=True)
        np.savez(output / "weights.npz", **weights)
        ranks_said = [dict(zip(("rank", "host", "weights"), one, strict=True)) for one in said]
        (output / "ranks.json").write_text(json.dumps(ranks_said, indent=1) + "\n")
        print(f"all {ranks} ranks have the same weights: {digest}", flush=True)
    jax.distributed.shutdown()


if __name__ == "__main__":
    main()
