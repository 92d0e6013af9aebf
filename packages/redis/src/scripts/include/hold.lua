-- What is held, by the server's clock. Part of the step scripts; needs clock.lua. Never run alone.
--
-- Modes: x exclusive lock, w write, r read, p permits. Keys of one name (a table k):
--   k.hold     x, w: string `token:fence:label` with PX. p: the set below.
--   k.set      r: sorted set of token -> expiry (ms). p: sorted set of `token:i` -> expiry, a member a permit.
--   k.info     r: hash of token -> `fence:permits:label`. p: of token -> `fence:permits/limit:label`. Permits have no fencing token: when they were
--              granted stands in its place, in microseconds.
--   k.waiters  see waiters.lua
--   k.fence    x, w, r: see fence.lua
-- A fence of 0 marks a lock that is reserved and not held yet, see take-moving.lua.

local sub, match = string.sub, string.match

-- unpack() has a limit, and so has the patience of the other clients.
local CHUNK = 500

-- No hold lasts longer; what another program put there may say so.
local LONGEST_MS = 2 ^ 31 - 1

-- The keys of one name, and where the next one's begin.
local function keysOf(mode, at)
  if mode == 'x' then
    return { hold = KEYS[at], waiters = KEYS[at + 1], fence = KEYS[at + 2] }, at + 3
  end
  if mode == 'p' then
    return { hold = KEYS[at], set = KEYS[at], info = KEYS[at + 1], waiters = KEYS[at + 2] }, at + 3
  end
  return { hold = KEYS[at], set = KEYS[at + 1], info = KEYS[at + 2], waiters = KEYS[at + 3], fence = KEYS[at + 4] }, at + 5
end

-- Whether somebody has the key. While a slot is moved to another node, a key that is not on this node is reported by an error: here it is free.
local function isTaken(key)
  return redis.pcall('EXISTS', key) == 1
end

-- Forgets the readers and permits that have expired.
local function sweep(k)
  if not k.set then
    return
  end
  while true do
    local gone = call('ZRANGEBYSCORE', k.set, '-inf', now, 'LIMIT', 0, CHUNK)
    if #gone == 0 then
      return
    end
    call('ZREM', k.set, unpack(gone))
    for _, member in ipairs(gone) do
      call('HDEL', k.info, match(member, '^[^:]*'))
    end
  end
end

-- Lets a key of ours live at least as long as what is in it.
local function keep(k, key, ttl)
  local left = call('PTTL', key)
  if left < 0 then
    -- It was just made, or lost its expiry, by whatever tool: others that are in it may stand for longer.
    local last = call('ZRANGE', k.set, -1, -1, 'WITHSCORES')[2]
    ttl = math.max(ttl, math.min((last or 0) - now + 1000, LONGEST_MS))
  end
  call('PEXPIRE', key, string.format('%.0f', math.max(ttl, left)))
end

-- Before a hold of this mode is looked up. A writer stands apart from the readers, whose key may be another program's.
local function sweepFor(k, mode)
  if mode ~= 'w' then
    sweep(k)
  end
end

local function mark(k, mode, owner, permits, ttl)
  local expiry = string.format('%.0f', now + ttl)
  if mode == 'r' then
    call('ZADD', k.set, expiry, owner)
  else
    for first = 1, permits, CHUNK do
      local members = {}
      for i = first, math.min(first + CHUNK - 1, permits) do
        members[#members + 1] = expiry
        members[#members + 1] = owner .. ':' .. i
      end
      call('ZADD', k.set, unpack(members))
    end
  end
  -- A second more than the members: the key must not go before them.
  keep(k, k.set, ttl + 1000)
  keep(k, k.info, ttl + 1000)
end

local function place(k, mode, owner, permits, ttl, fence, label, limit)
  if mode == 'x' or mode == 'w' then
    call('SET', k.hold, owner .. ':' .. fence .. ':' .. label, 'PX', string.format('%.0f', ttl))
  else
    local count = mode == 'p' and permits .. '/' .. limit or permits
    call('HSET', k.info, owner, fence .. ':' .. count .. ':' .. label)
    mark(k, mode, owner, permits, ttl)
  end
end

-- The fence of what the owner has (text, '0' for a reservation) and its permits; nil when it has nothing.
-- Call sweep first. A key that holds something else than a string is nobody's.
local function found(k, mode, owner)
  if mode == 'x' or mode == 'w' then
    local held = redis.pcall('GET', k.hold)
    if type(held) == 'string' and sub(held, 1, #owner + 1) == owner .. ':' then
      return match(held, '^(%d+):', #owner + 2)
    end
    return nil
  end
  local entry = call('HGET', k.info, owner)
  if not entry then
    return nil
  end
  local fence, permits = match(entry, '^(%d+):(%d+)')
  return fence, tonumber(permits)
end

-- Keeps the hold for ttl ms from now, never shorter than it has. Returns 1, or 0 when it is not the owner's.
--   rest: how long the holder counts on it in any case; nil for ttl
local function prolong(k, mode, owner, ttl, rest)
  sweepFor(k, mode)
  local fence, permits = found(k, mode, owner)
  if not fence or fence == '0' then
    return 0
  end
  if mode == 'x' or mode == 'w' then
    local left = call('PTTL', k.hold)
    if left < 0 then
      -- It has lost its expiry, by whatever tool, and would stand for ever.
      ttl = math.max(ttl, rest or 0)
    end
    if left < ttl then
      call('PEXPIRE', k.hold, string.format('%.0f', ttl))
    end
    return 1
  end
  local score = call('ZSCORE', k.set, mode == 'r' and owner or owner .. ':1')
  if not score then
    return 0
  end
  if tonumber(score) < now + ttl then
    -- First of all something that needs no memory: a server that has none left refuses a ZADD, even one that only moves a score, in a
    -- script that has written nothing before.
    keep(k, k.info, ttl + 1000)
    mark(k, mode, owner, permits, ttl)
  else
    for _, key in ipairs({ k.set, k.info }) do
      if call('PTTL', key) < 0 then
        keep(k, key, ttl + 1000)
      end
    end
  end
  return 1
end

-- Frees what the owner has. Returns 1 when it held it; 0 when it did not, also when only a place was reserved for it.
local function drop(k, mode, owner)
  sweepFor(k, mode)
  local fence, permits = found(k, mode, owner)
  if not fence then
    return 0
  end
  if mode == 'x' or mode == 'w' then
    call('DEL', k.hold)
  else
    call('HDEL', k.info, owner)
    if mode == 'r' then
      call('ZREM', k.set, owner)
    else
      for first = 1, permits, CHUNK do
        local members = {}
        for i = first, math.min(first + CHUNK - 1, permits) do
          members[#members + 1] = owner .. ':' .. i
        end
        call('ZREM', k.set, unpack(members))
      end
    end
  end
  return fence == '0' and 0 or 1
end

-- Whether the store has room for one more. Call sweep first.
local function fits(k, mode, permits, limit)
  if mode == 'p' then
    return call('ZCARD', k.set) + permits <= limit
  end
  if isTaken(k.hold) then
    return false
  end
  return mode ~= 'w' or call('ZCARD', k.set) == 0
end

-- The reply to a request for permits, and behind it its limit and another one by which somebody holds permits, if there is such: looked for
-- among those who were granted or renewed last, so that a large semaphore costs no more than a small one.
local function withLimits(k, reply, limit)
  local seen = {}
  for _, member in ipairs(call('ZRANGE', k.set, -8, -1)) do
    local owner = match(member, '^[^:]*')
    local other = not seen[owner] and match(call('HGET', k.info, owner) or '', '^%d+:%d+/(%d+):')
    seen[owner] = true
    if other and tonumber(other) ~= limit then
      return reply .. ' ' .. string.format('%.0f', limit) .. ' ' .. other
    end
  end
  return reply
end

-- How long until there may be room, as an answer of "busy": -2 - ms, or -1 where nobody can tell.
local function busy(k, mode, permits, limit)
  local left = -1
  if mode == 'p' then
    local over = call('ZCARD', k.set) + permits - limit
    local last = over > 0 and call('ZRANGE', k.set, over - 1, over - 1, 'WITHSCORES')[2]
    left = last and math.max(0, last - now) or -1
  else
    left = call('PTTL', k.hold)
    if mode == 'w' and left < 0 then
      local last = call('ZRANGE', k.set, -1, -1, 'WITHSCORES')[2]
      left = last and math.max(0, last - now) or -1
    end
  end
  return left < 0 and -1 or -2 - math.min(left, LONGEST_MS)
end
