"""The same commands to kvorum and to redis-server, the replies compared byte for byte."""
