-- Completion marks, by the node's clock. Part of the step scripts; needs node.lua. Never run alone.
--
-- All marks lie in a hash of name -> `token:set at:ends at:kept:label`, times in ms, kept 1 once it was won; and a sorted set of name ->
-- ends at, by which those that have ended are found without a look at those that stand. A token is that of one round of an
-- owner: 32 digits of the owner, 8 of the round.

local SWEPT_PER_SET = 16

local function sweepMarks(marks, ends)
  for _, name in ipairs(call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, SWEPT_PER_SET)) do
    call('HDEL', marks, name)
    call('ZREM', ends, name)
  end
end

-- A mark that stands; else nil.
local function markOf(marks, name)
  local token, setAt, endsAt, kept, label = match(call('HGET', marks, name) or '', '^(%x*):(%d+):(%d+):(%d):(.*)$')
  if token and tonumber(endsAt) > now then
    return { token = token, setAt = tonumber(setAt), endsAt = tonumber(endsAt), kept = kept == '1', label = label }
  end
  return nil
end

local function writeMark(marks, ends, name, mark)
  local head = mark.token .. ':' .. text(mark.setAt) .. ':' .. text(mark.endsAt) .. ':' .. (mark.kept and '1:' or '0:')
  call('HSET', marks, name, head .. mark.label)
  call('ZADD', ends, text(mark.endsAt), name)
  -- A second more than what is in them: the keys must not go before.
  for _, key in ipairs({ marks, ends }) do
    call('PEXPIRE', key, text(math.max(mark.endsAt - now + 1000, call('PTTL', key))))
  end
end

-- Who set it, 8 digits of the owner and those of the round, its age and the time that remains of it, and its label; - when it does not stand.
local function toldMark(mark)
  if not mark then
    return '-'
  end
  return sub(mark.token, 1, 8) .. sub(mark.token, 33) .. ' ' .. text(now - mark.setAt) .. ' ' .. text(mark.endsAt - now) .. ' ' .. mark.label
end
