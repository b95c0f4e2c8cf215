-- Begins each script. What a ledger has is below its prefix, so every name is said without it. Nothing is written before
-- all that is to be written has been looked at: a script that fails half way is not undone.
local P = ARGV[1]

-- Whether a key holds something else than what a ledger has there.
local function foreign(key, kind)
  local held = redis.call('TYPE', P .. key).ok
  return held ~= 'none' and held ~= kind
end

-- That an index cannot be used, which concerns everybody.
local function refuse(key)
  return redis.error_reply('FOREIGN ' .. P .. key)
end

-- That a record cannot be used, which concerns only those who ask for it.
local function damaged(key)
  return redis.error_reply('DAMAGED ' .. P .. key)
end

-- A field of a record: false where there is none, 0 where the key holds something else.
local function field(key, name)
  local value = redis.pcall('HGET', P .. key, name)
  if type(value) == 'table' then
    -- Anything else that can be wrong concerns the script as a whole.
    return string.find(value.err, 'WRONGTYPE', 1, true) and 0 or redis.call('HGET', P .. key, name)
  end
  return value
end

-- By what a ledger is known: a digest of its secret. False where there is none.
local function known_by()
  local secret = field('meta', 'key')
  return type(secret) == 'string' and redis.sha1hex(secret)
end

-- Tells the other servers.
local function tell(who, what)
  if what ~= '' then
    redis.call('PUBLISH', P .. 'changes', who .. ' ' .. what)
  end
end

-- The run that has a place in a line: the digits of its request, its order in the config, its own digits.
local function run_at(place)
  return string.sub(place, 1, 26) .. string.sub(place, -6)
end
