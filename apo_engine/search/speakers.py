"""Forms in which a text begins a turn of a conversation, or speaks as a model, a tool or somebody else.

Those of ``ROLES`` are refused in a rewrite. Those of ``SPEAKERS`` may be meant well, and are named.
All are looked for in lower case and compatibility form.
"""

from __future__ import annotations

import re

_WHO = r"(?:sys(?:tem)?|assistant|developer|user|human)"
_WHAT = r"(?:[ \t_-]{0,3}(?:message|msg|prompt|instructions?|role|turn|note|override|update))?"
_ROLE = _WHO + _WHAT
_FIELD = r"(?:from|author|speaker|sender|source|type|name)"
_OTHERS = r"(?:model|bot|gpt|tool|function|ipython)"
# Models, tools and people of authority.
_PERSONS = (
    r"(?:tool|function|ai|bot|chatbot|model|llm|agent|copilot|operator|admin(?:istrator)?|moderator|root|gpt[\d.o-]{0,6}|"
    r"chatgpt|claude|gemini|llama|mistral|deepseek|qwen|grok|openai|anthropic)"
)
# The roles in other languages.
_ELSEWHERE = (
    r"(?:system(?:nachricht|prompt|hinweis|meldung|anweisung|rolle)|benutzer|nutzer|anwender|assistent(?:in)?|entwickler|"
    r"syst[èe]me|utilisateur|d[ée]veloppeur|sistema|usuario|asistente|desarrollador|usu[áa]rio|assistente|desenvolvedor|utente|"
    r"sviluppatore|systeem|gebruiker|ontwikkelaar|u[żz]ytkownik|asystent|syst[ée]m|u[žz]ivatel|pou[žz][íi]vate[ľl]|anv[äa]ndare|bruger|bruker|"
    r"k[äa]ytt[äa]j[äa]|j[äa]rjestelm[äa]|avustaja|felhaszn[áa]l[óo]|rendszer|utilizator|sistem|kullan[ıi]c[ıi]|asistan|pengguna|asisten|"
    r"h[ệe] th[ốo]ng|ng[ưu][ờo]i d[ùu]ng|tr[ợo] l[ýy]|система|пользователь|ассистент|помощник|разработчик|"
    r"користувач|асистент|потребител|σύστημα|χρήστης|βοηθός|"
    r"系统|系統|用户|用戶|助手|助理|开发者|開發者|システム|ユーザー?|アシスタント|시스템|사용자|어시스턴트|"
    r"النظام|نظام|المستخدم|المساعد|سیستم|کاربر|מערכת|משתמש|עוזר|सिस्टम|प्रणाली|उपयोगकर्ता|सहायक|ระบบ|ผู้ใช้|ผู้ช่วย)"
    r"(?:[ -]?(?:prompt|消息|提示词?|プロンプト|メッセージ|메시지|프롬프트))?"
)
# Before a role: signs, the number or letter of an item, a time.
_ITEM = (
    r"(?:(?:\d[\d:./ \t-]{0,24}|(?:turn|step|message|msg|part|item|round|no|nr)[ \t.]{0,2}\d{1,3}"
    r"|(?:[ivxlcdm]{1,6}|[a-z])(?=[^\w\s]))[^\w\n]{1,8})"
)
_BEGIN = rf"^[^\w\n]{{0,8}}{_ITEM}{{0,2}}[^\w\n]{{0,8}}"
_SIGN = r"[^\w\s]"
_UNDERLINE = r"[ \t]{0,4}\n[ \t]{0,8}(?:=+|-+|~+|\*+|_+|\^+|#+|\++)[ \t]{0,8}$"
_SAYS = r"(?:say|said|write|wrote|repl(?:y|ie)|answer|respond|speak)\w{0,5}"


def _headings(role: str) -> str:
    """A role as a heading: underlined, after signs of a heading, between signs, or between brackets."""
    return (
        rf"^[ \t]{{0,8}}{_SIGN}{{0,8}}{role}[ \t]{{0,4}}:?{_SIGN}{{0,8}}{_UNDERLINE}"
        rf"|^[ \t]{{0,8}}[#=]{{1,6}}[ \t]{{0,4}}{role}"
        rf"(?:[ \t]{{1,2}}\([^)\n]{{0,40}}\))?[ \t]{{0,4}}:?[ \t]{{0,4}}[=#]{{0,6}}$"
        rf"|^[ \t]{{0,8}}{_SIGN}{{1,12}}[ \t]{{0,4}}{role}[ \t]{{0,4}}:?[ \t]{{0,4}}{_SIGN}{{1,12}}[ \t]{{0,8}}$"
        rf"|[\[«‹【「『〔《〖≪]\s?[/#]?\s?{role}\s?[\]»›】」』〕》〗≫]|^[^\w\n]{{0,8}}\(\s?{role}\s?\)"
        rf"|>\s{{0,3}}{role}\s{{0,3}}:?\s{{0,3}}</|\\(?:(?:sub){{0,2}}section\*?|begin|textbf|role)\{{\s?{role}\s?\}}"
        rf"|^[ \t]{{0,8}}(?:`{{3,9}}|~{{3,9}}|:{{2,9}})[ \t]{{0,2}}[{{.]{{0,2}}{role}\b"
    )


ROLES = re.compile(
    # Of Dotprompt and its renderers.
    r"<{3}\s?(?:dotprompt|apo)\s?:[^>\n]{0,40}"
    # Of chat templates: ChatML, Llama, Gemma, Mistral, DeepSeek, Phi, Nemotron, GLM, Qwen, Kimi.
    r"|<\s?\|[^|]{1,40}\|\s?>|\|?im_(?:start|end|sep|middle)\|?|</?(?:start|end)_of_turn>|\[/?\s?(?:inst|system_prompt|"
    r"available_tools|tool_calls|tool_results|tool_content|think)\s?\]|<{2}\s?/?\s?sys\s?>{2}"
    r"|</?(?:s|bos|eos|extra_id_\d+|unused\d+)>|\[g?mask\]|<[se]op>"
    # Of models that think.
    r"|<\s?/?\s?(?:\w{1,12}:)?think\s?/?>|[◁⟨]\s?/?\s?think\s?[▷⟩]|(?<!\S)/(?:no_?)?think(?!\S)"
    # Of calls of tools.
    r"|<\s?/?\s?(?:\w{1,12}:)?(?:start_|end_|begin_)?(?:tools?|functions?)[_-]?(?:calls?|responses?|results?|outputs?|"
    r"uses?|code|inputs?)(?=[\s/>=])|<\s?/?\s?(?:\w{1,12}:)?(?:invoke|tools?)(?=[\s/>=])|<\s?(?:parameter|function)(?:\s+name)?\s?="
    r"|[\"']?\b(?:tool_calls?|function_call|tool_use|tool_result|tool_call_id)[\"']?\s?[:=]|^[`~]{3,9}\s?tool_\w+"
    r"|\bto\s?=\s?(?:functions|browser|python|container)\b"
    r"|[\"']name[\"']\s{0,3}:\s{0,3}[\"'][^\"'\n]{1,60}[\"']\s{0,3},\s{0,3}[\"'](?:arguments|parameters|input)[\"']\s{0,3}:"
    # Of documents that show a conversation.
    rf"|<\s?/?\s?{_ROLE}(?=[\s/>]|\Z)|<\s?[a-z][\w:.-]{{0,30}}\s[^<>]{{0,80}}?=\s?[\"']?{_WHO}\b"
    rf"|{_BEGIN}{_ROLE}(?:[ \t]{{0,2}}\([^)\n]{{0,40}}\)|[ \t#-]{{0,2}}\d{{1,3}})?[^\w\n:>]{{0,6}}(?::|>)"
    rf"|^\W{{0,12}}(?:begin|start|end)(?:ning)?(?:[ \t]+of)?(?:[ \t]+the)?[ \t]+{_ROLE}[^\w\n]{{0,12}}$"
    rf"|\brole[\"']?\s*[:=]\s*[\"']?(?:{_WHO}|{_OTHERS})\b|\b(?:from|author|speaker)\s*=\s*[\"']?{_WHO}\b"
    rf"|[\"']{_FIELD}[\"']\s{{0,3}}:\s{{0,3}}[\"'](?:{_WHO}|{_OTHERS})[\"']"
    rf"|\b(?:system|human|ai|user|assistant|tool|function|developer)message(?:prompttemplate)?\s?\("
    rf"|{_headings(_ROLE)}",
    re.MULTILINE,
)
SPEAKERS = re.compile(
    # Forms in which models were taught to take orders or to act.
    r"^[ \t]{0,8}#{2,6}[ \t]{0,4}(?:instruction|response|input)[ \t]{0,4}:?[ \t]{0,4}$"
    r"|^[^\w\n]{0,8}(?:thought|action|action input|observation)[^\w\n:]{0,4}:"
    r"|<\s?/?\s?(?:\w{1,12}:)?(?:thinking|thoughts?|reasoning|reflection|scratchpad|analysis|inner_monologue|chain_of_thought|"
    r"commentary|turn|conversation|dialogu?e|observation|execute)(?=[\s/>])"
    r"|^[^\w\n]{0,8}detailed thinking (?:on|off)\b"
    r"|^[^\w\n]{0,8}reasoning(?: effort)?[ \t]?[:=][ \t]?(?:none|minimal|low|medium|high)\b"
    # Others who speak.
    rf"|{_BEGIN}(?:{_PERSONS}|{_ELSEWHERE})(?:[ \t]{{0,2}}\([^)\n]{{0,40}}\))?[^\w\n:>]{{0,6}}[:>]"
    rf"|{_headings(f'(?:{_PERSONS}|{_ELSEWHERE})')}"
    # The roles, in forms that a description may have as well.
    rf"|{_BEGIN}{_ROLE}[ \t]{{0,2}}(?:—|–|-{{1,2}}|=|\||→|=>|->|~)[ \t]|^[ \t]{{0,8}}{_ROLE}[ \t]{{0,8}}$"
    rf"|{_BEGIN}(?:(?:the|new|updated|hidden|real|true|secret|actual|next|current|original|final)[ \t]){{1,2}}"
    rf"{_ROLE}[ \t]{{0,2}}:"
    rf"|{_BEGIN}(?:the )?(?:{_ROLE}|{_PERSONS})[ \t]{{1,2}}{_SAYS}[ \t]{{0,2}}[:,]"
    rf"|^[^\w\n]{{0,8}}(?:{_FIELD}|to|cc|recipient|channel)[ \t]{{0,3}}[:=][ \t]{{0,3}}[\"'<]?{_WHO}\b"
    rf"|(?:[.!?;|>\])][ \t]{{1,3}}|\\[nrt]|\\u000a|&\#(?:10|x0?a);|<br\s?/?>[ \t]{{0,3}}|\t){_ROLE}[ \t]{{0,2}}:"
    rf"|^[@/!$%&][ \t]?(?:{_WHO})\b",
    re.MULTILINE,
)
