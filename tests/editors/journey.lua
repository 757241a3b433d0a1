-- The journey of a user in headless Neovim: open, save, read, apply, write. What was seen goes into a JSON file.
local seen = {}
local apo = dofile(vim.env.APO_NEOVIM_CLIENT)

local function finish()
  local file = assert(io.open(vim.env.APO_SEEN, "w"))
  file:write(vim.json.encode(seen))
  file:close()
  vim.cmd("qall!")
end

local function until_true(what, condition)
  if not vim.wait(30000, condition, 20) then
    seen.missing = what
    finish()
    error(what .. " never came")
  end
end

local function messages_of(buffer)
  return vim.tbl_map(function(found)
    return { message = found.message, source = found.source, line = found.lnum }
  end, vim.diagnostic.get(buffer))
end

local function critiques()
  return vim.tbl_filter(function(found)
    return found.code == "critique" or (found.user_data and found.user_data.lsp.code == "critique")
  end, vim.diagnostic.get(0))
end

-- The score that stands in the lens, once nothing runs and it is of the text as it is.
local function score()
  local found
  until_true("the score", function()
    vim.lsp.codelens.refresh()
    vim.wait(100)
    for _, lens in ipairs(vim.lsp.codelens.get(0)) do
      local title = lens.command and lens.command.title or ""
      if title:find("^acc ") and not title:find("before your edits", 1, true) then
        found = title
      end
    end
    return found ~= nil
  end)
  return found
end

local function journey()
  apo.setup({ cmd = vim.json.decode(vim.env.APO_COMMAND) })

  vim.cmd("edit broken.prompt")
  until_true("the parse error", function()
    return #vim.diagnostic.get(0) > 0
  end)
  seen.broken = messages_of(0)

  vim.cmd("edit tickets.prompt")
  seen.filetype = vim.bo.filetype
  until_true("the server", function()
    return vim.lsp.buf_is_attached == nil or #vim.lsp.buf_get_clients(0) > 0
  end)
  vim.cmd("write")
  until_true("the critiques", function()
    return #critiques() > 0
  end)
  seen.lens = score()
  seen.critiques = messages_of(0)

  vim.api.nvim_win_set_cursor(0, { critiques()[1].lnum + 1, 2 })
  vim.lsp.buf.hover()
  until_true("the hover", function()
    for _, window in ipairs(vim.api.nvim_list_wins()) do
      if vim.api.nvim_win_get_config(window).relative ~= "" then
        local lines = vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(window), 0, -1, true)
        seen.hover = table.concat(lines, "\n")
        vim.api.nvim_win_close(window, true)
        return true
      end
    end
  end)

  local before = vim.api.nvim_buf_get_changedtick(0)
  vim.ui.select = function(items, options, choose)
    seen.actions = vim.tbl_map(options.format_item, items)
    for index, item in ipairs(items) do
      if options.format_item(item):find("^Apply rewrite: %+") then
        seen.applied = options.format_item(item)
        return choose(item, index)
      end
    end
  end
  vim.lsp.buf.code_action()
  until_true("the rewrite", function()
    return vim.api.nvim_buf_get_changedtick(0) > before
  end)
  vim.cmd("write")
  seen.written = true
  seen.lens_after = score()
  finish()
end

vim.schedule(function()
  local fine, trouble = xpcall(journey, debug.traceback)
  if not fine then
    seen.trouble = trouble
    finish()
  end
end)
