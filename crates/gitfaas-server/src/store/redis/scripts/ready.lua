-- Writes nothing, and is refused where something cannot be written.
return redis.call('HGET', P .. 'meta', 'epoch')
