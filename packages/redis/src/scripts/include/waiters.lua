-- Who waits for one name. Part of the step scripts; needs hold.lua. Never run alone.
--
-- k.waiters is one sorted set for everything that waits. With a score in ms, at which the member means nothing any more:
--   p<id>:<mode>:<permits>:<limit>          manager <id> waits without a queue; a waiting writer also holds back new readers
--   f<id>                                   manager <id> is alive; without it its places in the queue are dropped
--   r<token>:<id>                           a place was reserved for this waiter, which has to claim it by then
--   t                                       it is the readers' turn: waiting writers do not hold them back
-- and with a score in microseconds, which orders the queue of a fair backend:
--   <token>:<id>:<mode>:<permits>:<limit>   one waiter

local COUNTED, MANAGER = sub(ARGV[1], 1, 1) == '1', sub(ARGV[1], 2)
local QUEUE = '100000000000000'
local WAITERS_MS, RESERVED_MS, TURN_MS = 3000, 1000, 100
-- A plain waiter stands for 2,500 ms, longer than the polls of its manager are apart. As a writer's intent it stands for 1,900, so that a dead
-- one keeps readers out for less than 2 s; a writer is told to ask again after 1,500, and what stands in its way may take longer.
local PLAIN_MS, INTENT_MS, WRITER_POLL_MS = 2500, 1900, 1500
-- A fair manager says that it is alive every 700 ms.
local ALIVE_MS = 1600

local function enter(k, member, ms)
  call('ZADD', k.waiters, string.format('%.0f', now + ms), member)
  call('PEXPIRE', k.waiters, WAITERS_MS)
end

-- Tells one manager that it may be its turn. false when nobody heard of it, which proves nothing: the manager may listen at another
-- server for a while, behind an address that has moved on. Only its own silence costs a manager its places.
local function tell(k, id, owner)
  local channel = 'holdfast.wake:' .. id
  if sub(id, 1, 1) == 'c' then
    -- A manager on a cluster hears of each slot by itself, under the slot's tag: some stores take a message only where its key would lie.
    channel = 'holdfast.wake:' .. match(k.waiters, '{[^}]+}') .. id
  end
  return call('PUBLISH', channel, owner .. '|' .. k.hold) > 0 or not COUNTED
end

local function dropExpired(k)
  for _, member in ipairs(call('ZRANGEBYSCORE', k.waiters, '-inf', now)) do
    call('ZREM', k.waiters, member)
    if sub(member, 1, 1) == 'r' then
      -- Reserved and not claimed: the manager is gone or too slow, and must not cost another second for each of its
      -- waiters. If it is there after all, it learns of it when it next says that it is alive, and takes its places again.
      call('ZREM', k.waiters, 'f' .. (match(member, ':(%x+)$') or ''))
    end
  end
end

-- The first of the queue whose manager is alive. Call dropExpired first.
local function liveHead(k)
  while true do
    local head = call('ZRANGEBYSCORE', k.waiters, QUEUE, '+inf', 'LIMIT', 0, 1)[1]
    if not head then
      return nil
    end
    local owner, id, mode, permits, limit = match(head, '^(.*):(%x+):(%a):(%d+):(%d+)$')
    if id and call('ZSCORE', k.waiters, 'f' .. id) then
      return { member = head, owner = owner, id = id, mode = mode, permits = tonumber(permits), limit = tonumber(limit) }
    end
    call('ZREM', k.waiters, head)
  end
end

local function plainWaiters(k)
  local entries = call('ZRANGEBYSCORE', k.waiters, '(' .. now, QUEUE, 'WITHSCORES')
  local readers, others, turn = {}, {}, false
  for i = 1, #entries, 2 do
    local id, mode, permits, limit = match(entries[i], '^p(%x+):(%a):(%d+):(%d+)$')
    if id then
      local list = mode == 'r' and readers or others
      list[#list + 1] =
        { member = entries[i], id = id, mode = mode, permits = tonumber(permits), limit = tonumber(limit), expiry = tonumber(entries[i + 1]) }
    elseif entries[i] == 't' then
      turn = true
    end
  end
  return readers, others, turn
end

-- For how long waiting writers hold back new readers, in ms, unless they ask again; 0 when they do not.
local function writersWaitFor(k)
  local _, writers, turn = plainWaiters(k)
  local longest = 0
  for _, writer in ipairs(writers) do
    longest = math.max(longest, writer.expiry - now - (PLAIN_MS - INTENT_MS))
  end
  return turn and 0 or longest
end

-- A writer stays in the set until it was granted, or else readers would slip in between its wake-up and its attempt. So does whoever did
-- not hear, and the next one is told as well.
local function wake(k, list, most)
  local woken = 0
  for _, waiter in ipairs(list) do
    if woken == most then
      break
    end
    if tell(k, waiter.id, '') then
      if waiter.mode ~= 'w' then
        call('ZREM', k.waiters, waiter.member)
      end
      woken = woken + 1
    end
  end
  return woken
end

local function wakePlain(k, freed)
  local readers, others, turn = plainWaiters(k)
  if #readers + #others == 0 then
    return
  end
  local first = others[1] or readers[1]
  if first.mode == 'p' then
    local used = call('ZCARD', k.set)
    for _, waiter in ipairs(others) do
      if used + waiter.permits <= waiter.limit and wake(k, { waiter }, 1) == 1 then
        used = used + waiter.permits
      end
    end
  elseif isTaken(k.hold) then
    return
  elseif first.mode == 'x' then
    wake(k, others, 1)
  elseif #readers > 0 and (turn or freed == 'w' or #others == 0) then
    -- After a writer it is the readers' turn, else writers that follow each other would starve them.
    if #others > 0 and not turn then
      enter(k, 't', TURN_MS)
    end
    wake(k, readers, -1)
  elseif call('ZCARD', k.set) == 0 and wake(k, others, 1) == 0 then
    wake(k, readers, -1)
  end
end

-- Hands on what is free: reserves it for the heads of the queue for as long as they fit, else wakes plain waiters.
-- freed: the mode of what was just freed, or nil.
local function handOn(k, freed)
  if call('EXISTS', k.waiters) == 0 then
    return
  end
  sweep(k)
  dropExpired(k)
  while true do
    local head = liveHead(k)
    if not head then
      return wakePlain(k, freed)
    end
    if not fits(k, head.mode, head.permits, head.limit) then
      return
    end
    place(k, head.mode, head.owner, head.permits, RESERVED_MS, '0', '')
    call('ZREM', k.waiters, head.member)
    enter(k, 'r' .. head.owner .. ':' .. head.id, RESERVED_MS)
    -- Heard or not: the head learns of it at the latest when it next says that it is alive.
    tell(k, head.id, head.owner)
  end
end

-- Forgets everything that one waiter of the asking manager left; last: it was the manager's only one for this name.
local function leave(k, owner, member, last)
  if call('EXISTS', k.waiters) == 1 then
    call('ZREM', k.waiters, 'r' .. owner .. ':' .. MANAGER, member, last and 'f' .. MANAGER or '')
  end
end
