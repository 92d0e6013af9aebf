-- Part of the step scripts that several requests share. Never run alone.

-- One step for one of several requests: `otherwise` where another program took a key of its name, which must not cost the others their
-- replies.
local function alone(otherwise, step, ...)
  local ok, reply = pcall(step, ...)
  if ok then
    return reply
  end
  -- A text up to Redis 6, a table since.
  if string.find(type(reply) == 'table' and reply.err or tostring(reply), 'WRONGTYPE', 1, true) then
    return otherwise
  end
  error(reply, 0)
end
