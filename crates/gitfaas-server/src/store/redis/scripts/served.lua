-- What is served, and its sources.
return {redis.call('HGET', P .. 'catalog', 'live'), redis.call('HGETALL', P .. 'sources')}
