"""redis-cli and redis-benchmark, as Debian's redis-tools has them."""
