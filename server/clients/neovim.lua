-- APO for Neovim 0.7 and newer.
--
-- Copy this file to ~/.config/nvim/lua/apo.lua and write into init.lua:
--
--   require("apo").setup()
--
-- or with settings of your own:
--
--   require("apo").setup({ init_options = { background = "evaluate", consent = true } })
--
-- Critiques are diagnostics; `vim.lsp.buf.hover()` reads them, `vim.lsp.buf.code_action()` offers measured rewrites,
-- `vim.lsp.codelens.run()` on the first line evaluates, finds critiques, and optimizes.

local M = {}

M.config = {
  name = "apo",
  cmd = { "apo-language-server", "--stdio" },
  -- background: "off" | "evaluate" | "gradients" | "optimize", what a save begins.
  -- consent: true lets rows leave this machine without being asked for each workspace.
  init_options = { background = "gradients", consent = false },
}

local clients = {}

local function root_of(buffer)
  local folder = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buffer), ":p:h")
  local git = vim.fn.finddir(".git", folder .. ";")
  return git ~= "" and vim.fn.fnamemodify(git, ":p:h:h") or folder
end

local function clients_of(buffer)
  if vim.lsp.get_clients then
    return vim.lsp.get_clients({ bufnr = buffer })
  end
  return vim.tbl_values(vim.lsp.buf_get_clients(buffer))
end

local function refresh_lenses()
  for _, client in ipairs(clients_of(vim.api.nvim_get_current_buf())) do
    -- Asked before the server is there, Neovim 0.7 waits for an answer that never comes.
    if client.name == M.config.name and vim.bo.filetype == "dotprompt" then
      pcall(vim.lsp.codelens.refresh)
      return
    end
  end
end

local function attach(buffer)
  local root = root_of(buffer)
  local config = vim.tbl_extend("force", M.config, { root_dir = root })
  config.on_attach = function(...)
    vim.schedule(refresh_lenses)
    if M.config.on_attach then
      M.config.on_attach(...)
    end
  end
  if vim.lsp.start then
    vim.lsp.start(config, { bufnr = buffer })
    return
  end
  -- Neovim 0.7 does not find a running server by itself.
  local client = clients[root]
  if not (client and vim.lsp.get_client_by_id(client)) then
    client = vim.lsp.start_client(config)
    clients[root] = client
  end
  vim.lsp.buf_attach_client(buffer, client)
end

function M.setup(options)
  M.config = vim.tbl_deep_extend("force", M.config, options or {})
  local group = vim.api.nvim_create_augroup("apo", { clear = true })
  local function on(event, pattern, callback)
    vim.api.nvim_create_autocmd(event, { group = group, pattern = pattern, callback = callback })
  end
  on({ "BufRead", "BufNewFile" }, "*.prompt", function()
    vim.bo.filetype = "dotprompt"
  end)
  on("FileType", "dotprompt", function(event)
    attach(event.buf)
  end)
  on({ "BufEnter", "BufWritePost", "InsertLeave" }, "*.prompt", refresh_lenses)
  -- A run has come further, or has ended.
  if vim.fn.exists("##LspProgress") == 1 then
    on("LspProgress", "*", refresh_lenses)
  else
    on("User", "LspProgressUpdate", refresh_lenses)
  end
end

return M
