-- Walks a topic's line in the order of acceptance. ARGV after the prefix: topic, from, to, until when, at most, how many
-- to look at, whether with records. Answers the last place it looked at and whether there may be more, then the
-- places of what is due.
local topic, now, most = ARGV[2], tonumber(ARGV[5]), tonumber(ARGV[6])
local places = redis.call('ZRANGEBYLEX', P .. 'line:' .. topic, ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[7])
local found, count, last = {'', #places == tonumber(ARGV[7]) and 1 or 0}, 0, ''
for _, place in ipairs(places) do
  if count == most then
    found[2] = 1
    break
  end
  last = place
  local due = redis.call('ZSCORE', P .. 'due:' .. topic, place)
  if due and tonumber(due) <= now then
    count = count + 1
    found[#found + 1] = place
    if ARGV[8] == '1' then
      found[#found + 1] = field('run:' .. run_at(place), 'record')
    end
  end
end
found[1] = last
return found
