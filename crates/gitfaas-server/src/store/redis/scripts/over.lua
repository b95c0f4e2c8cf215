-- Requests that ended before a moment, the longest ended first, with all that says where they are listed. ARGV after the
-- prefix: set, before, how many to leave out, at most.
local ids = redis.call('ZRANGEBYSCORE', P .. ARGV[2], '-inf', '(' .. ARGV[3], 'LIMIT', ARGV[4], ARGV[5])
local found = {}
for _, id in ipairs(ids) do
  local request = {id, field('request:' .. id, 'record'), field('request:' .. id, 'key')}
  local runs = field('request:' .. id, 'runs')
  for run in string.gmatch(type(runs) == 'string' and runs or '', '%S+') do
    request[#request + 1] = run
    request[#request + 1] = field('run:' .. run, 'record')
  end
  found[#found + 1] = request
end
return found
