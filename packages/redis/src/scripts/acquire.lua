-- Takes each hold that is free, without waiting.
-- KEYS, for each request: x: lock, waiters, fence   p: permits, info, waiters   r, w: writer, readers, info, waiters, fence
-- ARGV[1] see clock.lua   ARGV[2], ARGV[3] see deadline.lua
-- ARGV[4..], for each request: `mode token ttl label`, and for p `p token ttl permits limit label`: a letter, 32 digits, ttl in ms,
--   guard included. One argument each, because a driver spends more time on arguments than the server on taking this one apart.
-- Returns for each request: a text when it was granted or is ours already: the fencing token, 0 for permits; a number
--   when it is busy: -2 - ms until there may be room, -1 if nobody can tell; behind either, for p, ` limit other` when a holder goes by
--   another limit; WRONGTYPE when a key holds no lock, FENCE when that of the fence holds none.

-- include clock.lua
-- include deadline.lua
local sub, find = string.sub, string.find

-- One lock that is free and for which nobody waits, the common case: before anything else is set up.
if not ARGV[5] and sub(ARGV[4], 1, 1) == 'x' and call('EXISTS', KEYS[1], KEYS[2]) == 0 then
  local fence = time[1] .. sub('00000' .. time[2], -6)
  local last = redis.pcall('SET', KEYS[3], fence, 'GET')
  local isText = type(last) == 'string'
  if not last or isText and #last == #fence and last < fence and not find(last, '%D') then
    local text = ARGV[4]
    local afterTtl = find(text, ' ', 36, true)
    call('SET', KEYS[1], sub(text, 3, 34) .. ':' .. fence .. ':' .. sub(text, afterTtl + 1), 'PX', sub(text, 36, afterTtl - 1))
    return { fence, now }
  end
  if isText then
    call('SET', KEYS[3], last)
  end
end

-- include fence.lua

local replies = {}

-- Many locks that are free and for which nobody waits: one look at all, and one fence. Returns whether that is all.
local function writeAll()
  local taken, fences = {}, {}
  for i = 1, #ARGV - 3 do
    if sub(ARGV[i + 3], 1, 1) ~= 'x' then
      return false
    end
    taken[2 * i - 1], taken[2 * i], fences[i] = KEYS[3 * i - 2], KEYS[3 * i - 1], KEYS[3 * i]
  end
  local fence = call('EXISTS', unpack(taken)) == 0 and nextFenceOfAll(fences)
  if not fence then
    return false
  end
  local areAll = true
  for i = 1, #fences do
    local text = ARGV[i + 3]
    local afterTtl = find(text, ' ', 36, true)
    local value = sub(text, 3, 34) .. ':' .. fence .. ':' .. sub(text, afterTtl + 1)
    -- One that has been taken stands in the list before.
    replies[i] = call('SET', taken[2 * i - 1], value, 'NX', 'PX', sub(text, 36, afterTtl - 1)) and fence
    areAll = areAll and replies[i]
  end
  return areAll
end
if ARGV[5] and writeAll() then
  replies[#ARGV - 2] = now
  return replies
end

-- include alone.lua
-- include hold.lua
-- include waiters.lua
-- include grant.lua

local function step(k, mode, owner, ttl, label, permits, limit)
  if mode == 'x' and call('EXISTS', k.hold, k.waiters) == 0 then
    local fence = nextFence(k.fence)
    if fence then
      place(k, mode, owner, permits, ttl, fence, label)
    end
    return fence or 'FENCE'
  end
  local reply = try(k, mode, owner, ttl, label, permits, limit)
  if type(reply) ~= 'number' and (mode == 'r' or mode == 'p') then
    -- Granted while more could be granted: the next one's turn.
    handOn(k)
  end
  return mode == 'p' and withLimits(k, reply, limit) or reply
end

local at = 1
for i = 4, #ARGV do
  local mode, owner, ttl, label = match(ARGV[i], '^(%a) (%S+) (%d+) (.*)$')
  local permits, limit, k = 1, 1, nil
  k, at = keysOf(mode, at)
  if mode == 'p' then
    permits, limit, label = match(label, '^(%d+) (%d+) (.*)$')
    permits, limit = tonumber(permits), tonumber(limit)
  end
  if not replies[i - 3] then
    replies[i - 3] = alone(step, k, mode, owner, tonumber(ttl), label, permits, limit)
  end
end
replies[#ARGV - 2] = now
return replies
