"""Where a patient's home is: as every Kafka client computes it."""

import random

from aiokafka.partitioner import DefaultPartitioner, murmur2

from consumer import address


def test_murmur2_is_kafkas() -> None:
    """The same hash and the same partition as aiokafka's, for keys of every length."""
    rng = random.Random(5)
    partitioner = DefaultPartitioner()
    for length in range(60):
        key = rng.randbytes(length)
        assert address.murmur2(key) == murmur2(key) & 0xFFFFFFFF
        for partitions in (1, 3, 12, 48):
            everywhere = list(range(partitions))
            assert address.partition_of(key, partitions) == partitioner(key, everywhere, everywhere)
