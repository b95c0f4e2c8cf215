-- What the config and operators say of topics.
return {redis.call('HGETALL', P .. 'gates:config'), redis.call('HGETALL', P .. 'gates:operator')}
