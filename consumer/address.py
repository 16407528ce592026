"""Where a patient's home is: the events partition of a key, as Kafka's own default partitioner computes it."""

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C


def murmur2(data: bytes) -> int:
    """
    Return Kafka's 32-bit murmur2 of *data*, unsigned.

    Source:
        org.apache.kafka.common.utils.Utils.murmur2; the tests compare it with aiokafka's.

    >>> murmur2(b"HOSP|123456") & 0x7FFFFFFF
    1047569360
    """
    length = len(data)
    value = _SEED ^ length
    whole = length & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _M & _MASK
        word = (word ^ word >> 24) * _M & _MASK
        value = (value * _M & _MASK) ^ word
    rest = data[whole:]
    if rest:
        value = (value ^ int.from_bytes(rest, "little")) * _M & _MASK
    value = (value ^ value >> 13) * _M & _MASK
    return value ^ value >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of *key* among *partitions*, as every Kafka client's default partitioner does."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
