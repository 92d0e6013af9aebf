-- What is held on this node, by its clock. Part of the step scripts; needs node.lua. Never run alone.
--
-- Modes: x exclusive lock, w write, r read, p permits. Keys of one name, the fence's last:
--   x     lock, waiters, fence
--   r, w  writer, readers, readers-info, waiters, fence
--   p     permits, permits-info, waiters, fence
-- A table k:
--   k.hold     x, w: string `token:c:label` with PX. p: the set below.
--   k.set      r: sorted set of token -> expiry (ms). p: sorted set of `token:slot` -> expiry.
--   k.info     r: hash of token -> `c:label`. p: hash of token -> `c:slot,slot/limit:label`,
--              without `/limit` where the vote was put back.
--   k.waiters  see waiters.lua
--   k.fence    the last c of this bucket

local function keysOf(mode, at)
  if mode == 'x' then
    return { hold = KEYS[at], waiters = KEYS[at + 1], fence = KEYS[at + 2] }, at + 3
  end
  if mode == 'p' then
    return { hold = KEYS[at], set = KEYS[at], info = KEYS[at + 1], waiters = KEYS[at + 2], fence = KEYS[at + 3] }, at + 4
  end
  return { hold = KEYS[at], set = KEYS[at + 1], info = KEYS[at + 2], waiters = KEYS[at + 3], fence = KEYS[at + 4] }, at + 5
end

-- Forgets the readers and permits that have expired.
local function sweep(k)
  if not k.set then
    return
  end
  for _, member in ipairs(call('ZRANGEBYSCORE', k.set, '-inf', now)) do
    call('ZREM', k.set, member)
    call('HDEL', k.info, match(member, '^[^:]*'))
  end
end

-- The string under the key; nil when there is none, false when it is something else than a string.
local function stringAt(key)
  local value = redis.pcall('GET', key)
  if type(value) == 'table' then
    return false
  end
  return value or nil
end

-- The c (text) under which the owner stands here, and its slots; nil when it does not. Call sweep first.
local function found(k, mode, owner)
  if mode == 'x' or mode == 'w' then
    local held = stringAt(k.hold)
    if held and sub(held, 1, #owner + 1) == owner .. ':' then
      return match(held, '^(%d+):', #owner + 2)
    end
    return nil
  end
  return match(call('HGET', k.info, owner) or '', '^(%d+):([%d,]*)')
end

-- Lets a key live at least as long as what is in it, and a second more.
local function keep(k, key, ttl)
  local left = call('PTTL', key)
  if left < 0 then
    -- It was just made, or lost its expiry, by whatever tool: others that are in it may stand for longer.
    local last = call('ZRANGE', k.set, -1, -1, 'WITHSCORES')[2]
    ttl = math.max(ttl, math.min((last or 0) - now, 2 ^ 31 - 1))
  end
  call('PEXPIRE', key, text(math.max(ttl + 1000, left)))
end

local function mark(k, mode, owner, slots, ttl)
  local expiry = text(now + ttl)
  if mode == 'r' then
    call('ZADD', k.set, expiry, owner)
  else
    for slot in string.gmatch(slots, '%d+') do
      call('ZADD', k.set, expiry, owner .. ':' .. slot)
    end
  end
  keep(k, k.set, ttl)
  keep(k, k.info, ttl)
end

local function place(k, mode, owner, c, slots, ttl, label, limit)
  if mode == 'x' or mode == 'w' then
    call('SET', k.hold, owner .. ':' .. c .. ':' .. label, 'PX', ttl)
  elseif mode == 'r' then
    call('HSET', k.info, owner, c .. ':' .. label)
    mark(k, mode, owner, slots, ttl)
  else
    call('HSET', k.info, owner, c .. ':' .. slots .. (limit and '/' .. limit or '') .. ':' .. label)
    mark(k, mode, owner, slots, ttl)
  end
end

-- Keeps what the owner has for ttl ms from now, never shorter than it has. rest: how long the holder counts on it in any case; nil for ttl
local function prolong(k, mode, owner, slots, ttl, rest)
  if mode == 'x' or mode == 'w' then
    local left = call('PTTL', k.hold)
    if left < 0 then
      -- It has lost its expiry, by whatever tool, and would stand for ever.
      ttl = math.max(ttl, rest or 0)
    end
    if left < ttl then
      call('PEXPIRE', k.hold, ttl)
    end
    return
  end
  local member = mode == 'r' and owner or owner .. ':' .. match(slots, '^%d+')
  if tonumber(call('ZSCORE', k.set, member) or 0) < now + ttl then
    -- First of all something that needs no memory: a server that has none left refuses a ZADD, even one that only moves a score, in a
    -- script that has written nothing before.
    keep(k, k.info, ttl)
    mark(k, mode, owner, slots, ttl)
  else
    for _, key in ipairs({ k.set, k.info }) do
      if call('PTTL', key) < 0 then
        keep(k, key, ttl)
      end
    end
  end
end

-- Frees what the owner has. Returns 1, or 0 when it has nothing.
local function drop(k, mode, owner)
  sweep(k)
  local c, slots = found(k, mode, owner)
  if not c then
    return 0
  end
  if mode == 'x' or mode == 'w' then
    call('DEL', k.hold)
    return 1
  end
  call('HDEL', k.info, owner)
  if mode == 'r' then
    call('ZREM', k.set, owner)
  else
    for slot in string.gmatch(slots, '%d+') do
      call('ZREM', k.set, owner .. ':' .. slot)
    end
  end
  return 1
end

-- What keeps the request out: nil when nothing does, else ms until it may be gone (-1: nobody can tell) and who it is: eight
-- digits of the one holder's token, * for anything else. For p the ms until none of its slots is taken. Call sweep first.
local function obstacle(k, mode, slots)
  if mode == 'p' then
    local wanted, last = {}, nil
    for slot in string.gmatch(slots, '%d+') do
      wanted[slot] = true
    end
    local entries = call('ZRANGE', k.set, 0, -1, 'WITHSCORES')
    for i = 1, #entries, 2 do
      if wanted[match(entries[i], '%d+$')] then
        last = math.max(last or 0, entries[i + 1] - now)
      end
    end
    return last, '*'
  end
  local held = stringAt(k.hold)
  if held ~= nil then
    local who = held and match(held, '^(%x%x%x%x%x%x%x%x)%x+:%d+:') or '*'
    local left = call('PTTL', k.hold)
    return left < 0 and -1 or left, who
  end
  if mode == 'w' then
    local last = call('ZRANGE', k.set, -1, -1, 'WITHSCORES')[2]
    if last then
      return last - now, '*'
    end
  end
  return nil
end

-- The slots of a semaphore that are taken here by others, joined by commas; behind them, if any of these goes by another limit, that one.
local function takenSlots(k, owner, limit)
  local slots, seen, other = {}, {}, nil
  for _, member in ipairs(call('ZRANGE', k.set, 0, -1)) do
    local token, slot = match(member, '^([^:]*):(%d+)$')
    if token ~= owner then
      slots[#slots + 1] = slot
      local its = not other and not seen[token] and match(call('HGET', k.info, token) or '', '^%d+:[%d,]*/(%d+):')
      seen[token] = true
      other = other or its and its ~= limit and its
    end
  end
  return table.concat(slots, ',') .. (other and ' ' .. other or '')
end

-- Raises the fence of the bucket, never lowers it. Returns whether it is at least there.
local function raise(k, to)
  local last = lastOf(k.fence)
  if last and last < to then
    call('SET', k.fence, text(to))
  end
  return last ~= nil
end
