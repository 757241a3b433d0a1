"""Orders that a text gives to the model that reads it, and that no task asks for: their kinds and wordings."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Within one sentence, and no further apart than its words are.
_GAP = r"[^.!?\n。！？।]"


def _near(firsts: Sequence[str], seconds: Sequence[str], most: int = 60) -> str:
    """One of the first, and soon after it one of the second."""
    return rf"(?:{'|'.join(firsts)}){_GAP}{{0,{most}}}?(?:{'|'.join(seconds)})"


def _words(*alternatives: str) -> tuple[str, ...]:
    return tuple(rf"\b(?:{alternative})\b" for alternative in alternatives)


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_DROP = _words(
    r"ignor\w*|disregard\w*|forget|overrid\w*|bypass\w*|neglect|supersed\w*|set aside|throw out",
    r"(?:do not|don't|never|stop|no longer|need not|not have to) (?:follow|obey|heed|observ|listen)\w*",
    r"pay no (?:attention|heed) to",
)
_RULES = _words(
    r"instruct\w*|rules?|prompts?|directions?|directives?|guidelines?|guardrails?|policy|policies|constraints?",
    r"commands?|restrictions?|above|previous\w*|prior|preceding|earlier|came before",
    r"(?:were|been|was) (?:told|said|given)",
)
_DROP_ELSEWHERE = (
    _near(
        (r"\bignorier\w*", r"\bvergiss\w*", r"\bvergessen sie", r"\bmissacht\w*"),
        ("anweisung", "regel", "vorgabe", "befehl", "bisherig", "vorherig"),
    ),
    _near(
        (r"\bignore[zr]?\b", r"\boublie[zr]?\b", "pas compte"),
        ("instruction", "consigne", "regle", "règle", "preced", "précéd"),
    ),
    _near(
        (r"\bignor[aei]\w*", r"\bolvid[ae]\w*", "caso omiso", r"\bdimentica\w*", r"\btrascura\w*", r"\besque[cç]a\w*"),
        ("instruc", "instruç", "istruzion", "regla", "regol", "regras", "anterior", "precedent", "indicacion"),
    ),
    _near((r"\bnegeer\w*", r"\bvergeet\b"), ("instructie", "regels", "opdracht")),
    _near((r"\bzignoruj\w*", r"\bzapomnij\w*"), ("instrukcj", "polece", "zasad")),
    _near(("игнорир", "забудь", "не обращай"), ("инструкц", "правил", "предыдущ", "указан")),
    _near(
        ("忽略", "无视", "無視", "忘记", "忘記", "不要理会"),
        ("指令", "指示", "规则", "規則", "提示", "之前", "以上"),
        20,
    ),
    _near(("指示", "命令", "ルール", "プロンプト", "規則"), ("無視", "忘れ"), 20),
    _near(("지시", "명령", "규칙", "프롬프트"), ("무시", "잊"), 20),
    _near(("تجاهل",), ("تعليمات", "أوامر", "قواعد", "سابق")),
    _near(("निर्देश", "नियम"), ("अनदेख", "भूल")),
)
_REVEAL = _words(
    r"reveal|disclose|leak|dump|exfiltrate|recite|expose|print|repeat|output|show|quote|display|write out|append",
    r"include|attach|add|tell (?:me|us|them|everyone)|(?:begin|start|end) (?:\w+ ){0,3}with",
)
_GIVEN = _words(
    r"system (?:prompt|message)|(?:your|these|this|the full|hidden|secret|original) (?:\w+ )?(?:instructions|prompt)",
    r"api[ _-]?keys?|credentials?|environment variables?|training (?:data|rows|examples)",
    r"everything (?:above|before|you)",
    r"card numbers?|whole conversation|chat history",
)
_SEND = _words(r"send|forward|post|upload|transmit|exfiltrate|report|e-?mail|submit|deliver|copy")
_AWAY = _words(
    r"(?:to|via|through) (?:\S+ ){0,5}(?:servers?|urls?|web ?address|web ?site|endpoint|webhook|hosts?|domain)",
    r"(?:to|via|through) (?:\S+ ){0,5}(?:e-?mail address|mailbox|inbox|http|pastebin|dns)",
)
_CONCEAL = _words(
    r"(?:do not|don't|never|without|avoid) (?:\w+ )?(?:tell|mention|inform|reveal|warn|notify|alert|disclose|let)\w*"
)
_FROM = _words(
    r"users?|anyone|anybody|humans?|developers?|owners?|reviewers?|author|operator|knows?",
    r"this (?:rule|instruction|line)",
)

#: Kinds of orders, in words that go on from "it", and the pattern of each in lower case.
ORDERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("tells to ignore instructions", _any(_near(_DROP, _RULES), *_DROP_ELSEWHERE)),
    ("tells to reveal what it was given", _any(_near(_REVEAL, _GIVEN))),
    (
        "tells to send data away",
        _any(
            _near(_SEND, _AWAY),
            _near(
                _words(r"fetch|visit|open|load|download|curl|wget|browse"),
                _words(r"urls?|links?|web ?site|web ?page|image|pixel|remote|server"),
                40,
            ),
        ),
    ),
    (
        "tells to keep something secret",
        _any(
            _near(_CONCEAL, _FROM, 40),
            _near(_words(r"keep|hide"), _words(r"secret|hidden|from the (?:user|reviewer|developer)"), 30),
        ),
    ),
    (
        "tells to be somebody else",
        _any(
            _near(
                _words(r"you are now|from now on|act as|pretend|role-?play|behave as|imagine"),
                _words(
                    r"dan|jailbr\w+|unrestricted|unfiltered|root|admin\w*|evil|free of",
                    r"(?:no|without) (?:\w+ )?(?:rules|restrictions|limits)|another (?:ai|assistant|model)",
                ),
            ),
            *_words(
                r"(?:developer|god|dan|debug|sudo|maintenance|admin) mode", "jailbr(?:eak|oken)", "do anything now"
            ),
        ),
    ),
    (
        "claims to stand above other instructions",
        _any(
            *_words(
                r"(?:takes?|has|have|with) (?:\w+ )?(?:precedence|priority) over",
                r"(?:highest|top|absolute) priority",
                r"(?:important|urgent|attention|admin\w*|system) (?:override|notice|message)",
            ),
            r"\b(?:new|updated|revised|real|actual|true) (?:system )?"
            r"(?:instructions?|orders?|directives?|task)\s?(?::|are\b|is\b)",
        ),
    ),
    (
        "asks for a good grade",
        _any(
            _near(
                _words(r"give|award|assign|grade|rate|score|mark|return|answer with|always"),
                _words(
                    r"(?:highest|full|maximum|max|perfect|best|top) (?:possible )?(?:grade|score|marks?|rating|points)",
                    r"(?:grade|score|rating)\W{1,4}(?:of )?5",
                    r"5 ?/ ?5|5 out of 5",
                ),
                40,
            )
        ),
    ),
)
