-- Which managers wait for one name. Part of the step scripts; needs hold.lua. Never run alone.
--
-- k.waiters is a hash. `<id>:<mode>:<permits>:<limit>` -> `<since> <expiry>` (ms): manager <id> waits since then; a waiting writer also
-- holds back new readers. `t` -> `0 <expiry>`: it is the readers' turn, and waiting writers do not hold them back.
-- Nobody gets a place in a queue by it: it says whom to wake first, in the same order on every node.

local WAITS_MS, WOKEN_MS, TURN_MS, RECENT_MS = 2500, 1000, 100, 100
-- As a writer's intent a waiter stands for 1,900 ms, so that a dead one keeps readers out for less than 2 s; a writer is notified to ask once more
-- after 1,500, and what stands in its way may take longer.
local INTENT_MS, WRITER_POLL_MS = 1900, 1500

local function note(k, field, since, ms)
  call('HSET', k.waiters, field, text(since) .. ' ' .. text(now + ms))
  call('PEXPIRE', k.waiters, 3000)
end

-- A refused manager waits; it keeps the time since when.
local function enrol(k, mode, permits, limit)
  local field = MANAGER .. ':' .. mode .. ':' .. permits .. ':' .. limit
  local since, expiry = match(call('HGET', k.waiters, field) or '', '^(%d+) (%d+)$')
  note(k, field, expiry and tonumber(expiry) > now and tonumber(since) or now, WAITS_MS)
end

local function leave(k, mode, permits, limit)
  call('HDEL', k.waiters, MANAGER .. ':' .. mode .. ':' .. permits .. ':' .. limit)
end

-- Who waits, readers apart, by since when; and whether it is the readers' turn.
local function waiting(k)
  local readers, others, turn = {}, {}, false
  local entries = call('HGETALL', k.waiters)
  for i = 1, #entries, 2 do
    local since, expiry = match(entries[i + 1], '^(%d+) (%d+)$')
    since, expiry = tonumber(since), tonumber(expiry)
    if expiry <= now then
      call('HDEL', k.waiters, entries[i])
    elseif entries[i] == 't' then
      turn = true
    else
      local id, mode, permits, limit = match(entries[i], '^(%x*):(%a):(%d+):(%d+)$')
      local list = mode == 'r' and readers or others
      list[#list + 1] = {
        field = entries[i],
        id = id,
        mode = mode,
        permits = tonumber(permits),
        limit = tonumber(limit),
        since = since,
        expiry = expiry,
      }
    end
  end
  local function before(a, b)
    return a.since < b.since or (a.since == b.since and a.field < b.field)
  end
  table.sort(readers, before)
  table.sort(others, before)
  return readers, others, turn
end

-- For how long waiting writers hold back new readers, in ms, unless they ask again; nil when they do not.
local function writersWaitFor(k)
  local _, others, turn = waiting(k)
  local longest = 0
  for _, waiter in ipairs(others) do
    longest = math.max(longest, waiter.expiry - now - (WAITS_MS - INTENT_MS))
  end
  return not turn and longest > 0 and longest or nil
end

-- Tells a manager that it may be its turn. false when nobody listens there: it is gone. It stays enrolled for a moment only,
-- so that one that stands still is passed over the next time.
local function tell(k, waiter)
  if call('PUBLISH', 'holdfast.wake:' .. waiter.id, '|' .. k.hold) == 0 then
    call('HDEL', k.waiters, waiter.field)
    return false
  end
  note(k, waiter.field, waiter.since, math.min(WOKEN_MS, waiter.expiry - now))
  return true
end

local function tellFirst(k, list)
  for _, waiter in ipairs(list) do
    if tell(k, waiter) then
      return true
    end
  end
  return false
end

local function tellAll(k, list)
  for _, waiter in ipairs(list) do
    tell(k, waiter)
  end
end

local function recent(list)
  local kept = {}
  for _, waiter in ipairs(list) do
    if waiter.expiry >= now + WAITS_MS - RECENT_MS then
      kept[#kept + 1] = waiter
    end
  end
  return kept
end

-- Waiters with those of this manager last, who wait anew from now on: it has had its turn, and asks by itself behind its release.
local function behind(k, list)
  local ordered, own = {}, {}
  for _, waiter in ipairs(list) do
    if waiter.id == MANAGER then
      waiter.since = now
      note(k, waiter.field, now, waiter.expiry - now)
      own[#own + 1] = waiter
    else
      ordered[#ordered + 1] = waiter
    end
  end
  for _, waiter in ipairs(own) do
    ordered[#ordered + 1] = waiter
  end
  return ordered
end

-- Wakes everybody who could have what is free now.
--   mode: x, p, r or w, which of r and w does not matter   freed: the mode of what was just freed, or nil
--   quiet: what is given back was never a hold, only votes of an attempt that failed: only those who came across it are woken,
--   or else two waiters who cannot win would wake each other for ever.
local function wake(k, mode, freed, quiet)
  if call('EXISTS', k.waiters) == 0 then
    return
  end
  local readers, others, turn = waiting(k)
  if quiet then
    readers, others = recent(readers), recent(others)
  end
  if mode == 'p' then
    local used = call('ZCARD', k.set)
    for _, waiter in ipairs(behind(k, others)) do
      if used + waiter.permits <= waiter.limit and tell(k, waiter) then
        used = used + waiter.permits
      end
    end
  elseif stringAt(k.hold) ~= nil then
    return
  elseif mode == 'x' then
    tellFirst(k, others)
  elseif #readers > 0 and (turn or freed == 'w' or #others == 0) then
    -- After a writer it is the readers' turn, else writers that follow each other would starve them.
    if #others > 0 and not turn then
      note(k, 't', 0, TURN_MS)
    end
    tellAll(k, readers)
  elseif call('ZCARD', k.set) == 0 and not tellFirst(k, others) then
    tellAll(k, readers)
  end
end
