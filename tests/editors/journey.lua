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

-- What stands above the text, as Neovim draws it.
local function lenses()
  local drawn = {}
  for name, space in pairs(vim.api.nvim_get_namespaces()) do
    if name:find("codelens", 1, true) then
      for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, space, 0, -1, { details = true })) do
        for _, chunk in ipairs(mark[4].virt_text or {}) do
          table.insert(drawn, chunk[1])
        end
        for _, line in ipairs(mark[4].virt_lines or {}) do
          for _, chunk in ipairs(line) do
            table.insert(drawn, chunk[1])
          end
        end
      end
    end
  end
  return drawn
end

-- The score that stands in the lens, once it is of the text as it is and not the one before.
local function score(before)
  local found
  until_true("the score", function()
    for _, title in ipairs(lenses()) do
      if title:find("^acc ") and not title:find("before your edits", 1, true) and title ~= before then
        found = title
      end
    end
    return found ~= nil
  end)
  return found
end

local function journey()
  apo.setup({ cmd = vim.json.decode(vim.env.APO_COMMAND) })

  vim.cmd("edit tickets.prompt")
  seen.filetype = vim.bo.filetype
  until_true("the lenses", function()
    return vim.tbl_contains(lenses(), "Evaluate")
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
  seen.lens_after = score(seen.lens)

  vim.cmd("edit broken.prompt")
  until_true("the parse error", function()
    return #vim.diagnostic.get(0) > 0
  end)
  seen.broken = messages_of(0)
  finish()
end

vim.schedule(function()
  local fine, trouble = xpcall(journey, debug.traceback)
  if not fine then
    seen.trouble = trouble
    finish()
  end
end)
