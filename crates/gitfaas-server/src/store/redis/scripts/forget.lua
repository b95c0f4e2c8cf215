-- Forgets requests that are still as they were read. ARGV after the prefix: set, before; then for each request its id, its
-- key, how many runs and places it has; id and record of each run, set and member of each place. Answers how many it were.
local set, before = ARGV[2], tonumber(ARGV[3])
if foreign(set, 'zset') then
  return refuse(set)
end
local forgotten, n = 0, 4
while n <= #ARGV do
  local id, key, runs, places = ARGV[n], ARGV[n + 1], tonumber(ARGV[n + 2]), tonumber(ARGV[n + 3])
  local first_run = n + 4
  local first_place = first_run + runs * 2
  n = first_place + places * 2
  local ended = redis.call('ZSCORE', P .. set, id)
  local same = ended and tonumber(ended) < before
  for run = first_run, first_place - 1, 2 do
    same = same and field('run:' .. ARGV[run], 'record') == ARGV[run + 1]
  end
  for place = first_place, n - 1, 2 do
    same = same and not foreign(ARGV[place], 'zset')
  end
  if same then
    for place = first_place, n - 1, 2 do
      redis.call('ZREM', P .. ARGV[place], ARGV[place + 1])
    end
    for run = first_run, first_place - 1, 2 do
      local name = ARGV[run]
      redis.call('UNLINK', P .. 'run:' .. name, P .. 'response:' .. name, P .. 'logs:' .. name)
    end
    if key ~= '' then
      redis.call('UNLINK', P .. 'key:' .. key)
    end
    redis.call('UNLINK', P .. 'request:' .. id)
    redis.call('ZREM', P .. set, id)
    forgotten = forgotten + 1
  end
end
return forgotten
