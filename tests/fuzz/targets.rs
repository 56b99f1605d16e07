//! The table of targets: what is fuzzed, and what to begin with.

use crate::corpus::Texts;
use crate::{answers, config, gateway, policies, switch, web, wire};

/// Something that takes any bytes.
pub(crate) struct Target {
    /// Its name, which libFuzzer and the folder of what was found go by.
    pub(crate) name: &'static str,
    /// Runs it. A panic is a flaw.
    pub(crate) run: fn(&[u8]),
    /// Inputs are cut there: what is longer than what is read at once is only slower.
    pub(crate) longest: usize,
    /// Which texts of the transcripts it begins with.
    pub(crate) texts: Texts,
    /// Others.
    pub(crate) seeds: &'static [&'static [u8]],
    /// What its texts are made of.
    pub(crate) words: &'static [&'static str],
}

/// More than any buffer that is read at once.
const SHORT: usize = 20_000;

/// Every target.
pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "ami_packets",
        run: wire::packets,
        longest: SHORT,
        texts: Texts::Client("a>"),
        seeds: &[b"Action: Ping\0x\r\n\r\n", b"\r\n\n\r\r\n"],
        words: &["\r\n", "\n", "\r\n\r\n", "\0", "ActionID: ", "Variable: ", ":"],
    },
    Target {
        name: "ami_events",
        run: wire::events,
        longest: SHORT,
        texts: Texts::Server,
        seeds: &[b"Event: A\r\nPrivilege: user,all\r\n\r\n", b""],
        words: &["\r\n", "Event: ", "Privilege: ", ",all", "<none>", ": "],
    },
    Target {
        name: "ami_filters",
        run: wire::filters,
        longest: SHORT,
        texts: Texts::None,
        seeds: &[
            b"^Event: (User|Dial).*[[:digit:]]{1,3}$",
            b"!Channel: (PJSIP|SIP)/[^-]+-[0-9a-f]{8}",
            b"name(UserEvent),header(Colour),method(regex)\nd[^a-c]r?k+",
            b"action(exclude),method(starts_with)\nEvent: U",
            b"[]a]|[^]x-z]|\\.\\*",
        ],
        words: &[
            "[[:alpha:]]", "[^", "]", "{1,255}", "{3}", "(", ")", "|", "*", "+?", "\\1", "\\<", "(?i)", "$^",
            "action(include)", "name(", "header(", "method(", "regex", "exact", "contains", "ends_with", "none",
        ],
    },
    Target {
        name: "http_heads",
        run: web::heads,
        longest: SHORT,
        texts: Texts::Client("h>"),
        seeds: &[b"GET / HTTP/1.0\n\n", b"POST /rawman HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
        words: &[
            "\r\n", "GET ", " HTTP/1.1", " HTTP/1.0", "Content-Length: ", "Transfer-Encoding: chunked", "Cookie: ",
            "Connection: close", "Host: ", "http://", "?", "Authorization: Digest ", "%2e", "/static/",
        ],
    },
    Target {
        name: "http_bodies",
        run: web::bodies,
        longest: SHORT,
        texts: Texts::None,
        seeds: &[
            b"c4\r\nabcd\r\n0\r\n\r\nGET /",
            b"cA;x=y\r\n0123456789\r\n00\r\nTrailer: 1\r\n\r\n",
            b"l12\nabcdefghijklmn",
        ],
        words: &["\r\n", "0\r\n\r\n", "ffffffffffffffff", "fffffffffffffff", ";", "40960", "a000"],
    },
    Target {
        name: "http_connections",
        run: web::connections,
        longest: SHORT,
        texts: Texts::Client("h>"),
        seeds: &[
            b"GET /rawman?action=ping HTTP/1.1\r\nHost: a\r\n\r\nPOST /mxml HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=1GET / HTTP/1.0\r\n\r\n",
            b"POST /rawman HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\na=1\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            b"GET /arawman?action=setvar HTTP/1.1\r\nHost: pbx:8088\r\nUser-Agent: Mozilla/5.0 (X11)\r\nUpgrade-Insecure-Requests: 1\r\n\
              Referer: http://evil/\r\nOrigin: null\r\nSec-Fetch-Site: cross-site\r\nAccept: text/html,*/*;q=0.8\r\n\r\n",
            b"OPTIONS /rawman HTTP/1.1\r\nHost: [::1]:80\r\nOrigin: https://[::1]\r\nX-Forwarded-Host: a:443, b\r\n\
              Access-Control-Request-Method: POST\r\n\r\n",
        ],
        words: &[
            "\r\n", "\r\n\r\n", "\n", "\r", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "HTTP/1.0", "Content-Length: 3", "Content-Length: 2048",
            "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "0\r\n\r\n", "800\r\n", "Host: ", "Origin: ", "Origin: null", "Referer: http://",
            "://", "Sec-Fetch-Site: same-origin", "User-Agent: Mozilla/5.0", "X-Forwarded-Host: ", "Connection: keep-alive", "Connection: close", ":443",
        ],
    },
    Target {
        name: "http_multipart",
        run: web::multipart,
        longest: SHORT,
        texts: Texts::None,
        seeds: &[
            b"multipart/form-data; boundary=x\n--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\n\
              one\r\n--x\r\nContent-Disposition: form-data; name=b\r\n\r\n\r\n--x--\r\n",
            b"multipart/form-data;boundary=\"a b\"\nlead\r\n--a b \r\ncontent-disposition:form-data;name=\"\\\"\"\r\n\r\n--a\r\n--a b--",
        ],
        words: &[
            "\r\n", "--x", "--x--", "\r\n--x\r\n", "Content-Disposition: form-data; name=", "; filename=", "\"", "\\",
            "boundary=", "../", "\r\n\r\n",
        ],
    },
    Target {
        name: "http_credentials",
        run: web::credentials,
        longest: SHORT,
        texts: Texts::None,
        seeds: &[
            b"Digest username=\"admin\", realm=\"asterisk\", nonce=\"0123\", uri=\"/arawman?action=ping\", \
              response=\"00112233445566778899aabbccddeeff\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"x\"",
            b"digest username=a,realm=asterisk,nonce=1,uri=/,response=2",
            b"mansession_id=\"0123456789abcdef\"; mansession_id=0; Version=1",
            b"action=login&username=a%20b&secret=%e4+%zz&&=x&a=b=c",
            b"/js/../../x%2f%2e%2e/private/a.HTML",
            b"\"10-2\", W/\"ab-c\", *",
        ],
        words: &[
            "nonce=", "\"", "\\\"", ",", "=", "qop=auth", "nc=", "ffffffff", "algorithm=SHA-256", "mansession_id=", ";",
            "%2e", "%00", "+", "&", "../", "response=", "uri=",
        ],
    },
    Target {
        name: "http_answers",
        run: answers::bodies,
        longest: SHORT,
        texts: Texts::Server,
        seeds: &[b"Response: Success\r\nA: <b>'\"&\r\na: 2\r\nloose\r\nlast\r\n\r\n", b"Event: \xff\x01\r\n\r\n\r\n"],
        words: &["\r\n", "\r\n\r\n", ": ", "'", "\"", "<", "]]>", "\u{fffd}", "Event: ", "Response: ", "\\", "\0"],
    },
    Target {
        name: "config_files",
        run: config::files,
        longest: SHORT,
        texts: Texts::Config,
        seeds: &[
            b"[a](!)\nb = c ; d\n[e](a)\nb => f\\;g\n;-- long\ncomment --; h = i\n#include \"1.conf\"\n@file 1.conf\nj=k\n[a](+)\nl=m\n",
            b"[x](y,!)\n[y](+,x)\n#tryinclude *.conf\n#exec ls\n",
        ],
        words: CONFIG_WORDS,
    },
    Target {
        name: "config_edits",
        run: config::edits,
        longest: SHORT,
        texts: Texts::Updates,
        seeds: &[
            b"[a](!)\nb = c ; d\n[e](a)\nf => g\n@edit\nAction-000000: Append\nCat-000000: e\nVar-000000: x\nValue-000000: >y;z\n\
              Action-000001: RenameCat\nCat-000001: a\nValue-000001: q\nOptions-000001: catfilter=\"TEMPLATES=include\"\n",
            b"[a]\nb=1\nb=2\n;-- x --;\n[a](+)\nc=3\n#include 1.conf\n@file 1.conf\nd=4\n[n]\no=p\n@edit\nAction-000000: Insert\nCat-000000: a\n\
              Line-000000: 1\nVar-000000: v\nValue-000000: w\nAction-000001: DelCat\nCat-000001: n\nAction-000002: NewCat\n\
              Cat-000002: n\nMatch-000002: a\nOptions-000002: allowdups,inherit=\"a\"\n",
        ],
        words: &[
            "\n", "@edit\n", "Action-000000: ", "Action-000001: ", "Cat-000000: ", "Var-000000: ", "Value-000000: ",
            "Match-000000: ", "Line-000000: ", "Options-000000: ", "NewCat", "RenameCat", "DelCat", "EmptyCat", "Update",
            "Delete", "Append", "Insert", "allowdups", "template", "inherit=", "catfilter=", "ignoreerror",
            "TEMPLATES=include", "[", "](!)", "](+)", "(", ")", ";", ";--", "--;", "\\;", "=>", "#include ", "=",
        ],
    },
    Target {
        name: "config_folder",
        run: config::folder,
        longest: SHORT,
        texts: Texts::Config,
        seeds: &[
            b"[general]\nenabled=yes\nbindaddr=::\n[u]\nsecret=x\npermit=10.0.0.0/8\ndeny=0.0.0.0/0.0.0.0\neventfilter(name(A))=\n\
              read=all\n@file amibox.conf\n[general]\nswitch=gateway\n[p]\ntype=upstream\naddress=[::1]:5,h\nsecret=x\nusername=u\n\
              @file http.conf\n[general]\nredirect=/ /x\n@file voicemail.conf\n[default]\n1=2,3,4@5,,a=b|c=d\n",
            b"[general]\nport=65536\nwritetimeout=-1\nauthlimit=99999999999999999999\n@file extensions.conf\n[a]\nexten=>_X.,1,Set(A=${B:-1:2})\nsame=>n(l),Goto(1)\n\
              include=>b,09:00-17:00,mon-fri,*,*\nexten=>s,hint,SIP/1&Custom:2\n",
        ],
        words: CONFIG_WORDS,
    },
    Target {
        name: "gateway_packets",
        run: gateway::packets,
        longest: SHORT,
        texts: Texts::Server,
        seeds: &[
            b"Asterisk Call Manager/9.0.0\r\nResponse: Success\r\nActionID: $ID\r\nEventList: start\r\nMessage: follows\r\n\r\n\
              Event: A\r\nActionID: $ID\r\nX: 1\r\n\r\nEvent: AComplete\r\nActionID: $ID\r\nEventList: Complete\r\nListItems: 1\r\n\r\n",
            b"Response: Follows\r\nPrivilege: Command\r\nActionID: $ID\r\none\n\ntwo\n--END COMMAND--\r\n\r\n",
            b"Response: Success\r\nActionID: $ID\r\n\r\nno packet\n\nat all\r\nResponse: Success\r\nActionID: $PING\r\nPing: Pong\r\n\r\n",
            b"Event: OriginateResponse\r\nActionID: amibox-00000007-1:mine\r\n\r\nResponse: Error\nMessage: a\n\n",
        ],
        words: &[
            "\r\n", "\n", "\r\n\r\n", "Response: ", "Event: ", "ActionID: $ID\r\n", "ActionID: $PING\r\n", "$ID", "EventList: start",
            "EventList: Complete", "Response: Follows\r\n", "--END COMMAND--", "ListItems: ", "amibox-00000007-", ": ", "\0",
        ],
    },
    Target {
        name: "switch_actions",
        run: switch::actions,
        longest: SHORT,
        texts: Texts::Client("a>"),
        seeds: &[
            b"Action: Originate\nChannel: Local/echo@x\nContext: x\nExten: dial\nPriority: 1\nAsync: yes\nVariable: A=1,B=2\n\n\
              Action: Status\nAllVariables: true\n\nAction: Redirect\nChannel: Local/echo@x-00000000;1\nContext: x\nExten: wait\nPriority: 1\n\n\
              Action: Hangup\nChannel: /^Local.*$/\nCause: 17\n\n",
            b"Action: Originate\nChannel: Local/wait@x/n\nApplication: Bridge\nData: Local/echo@x\n\nAction: Park\nChannel: Local/wait@x-00000000;1\n\n\
              Action: ParkedCalls\n\nAction: Command\nCommand: dialplan show\n\nAction: DBPut\nFamily: a\nKey: b\nVal: c\n\n",
            b"Action: QueueAdd\nQueue: q\nInterface: Local/echo@x\n\nAction: Originate\nChannel: Local/queue@x\nExten: wait\nContext: x\nPriority: 1\n\nAction: QueueStatus\n\n",
        ],
        words: &[
            "Action: ", "\n\n", "Channel: ", "Local/echo@x", "Local/dial@x", "Local/loop@x/n", "-00000000;1", "-00000000;2",
            "Context: x\nExten: ", "Priority: ", "Application: ", "Data: ", "Async: yes", "Timeout: ", "Variable: ",
            "Originate", "Redirect", "ExtraChannel: ", "AttendedTransfer", "BlindTransfer", "Bridge", "Hangup", "Getvar",
            "Setvar", "Command", "Park", "SendText", "PlayDTMF", "MuteAudio", "Atxfer", "QueueAdd", "QueuePause", "-1",
            "99999999999", "CHANNEL(state)", "@tick 60\n\n", "DialplanExtensionAdd", "ConfbridgeList", "AgentLogoff",
        ],
    },
    Target {
        name: "switch_requests",
        run: switch::requests,
        longest: switch::LONGEST_REQUEST,
        texts: Texts::Nested,
        seeds: &[
            b"Action: Originate\nChannel: Local/wait@x\nApplication: TryExec\nData: ExecIf(1?Exec(NoOp(x)):Exec(NoOp(y)))\nAsync: yes\n\n@tick 60\n\n",
            b"Action: Originate\nChannel: Local/wait@x\nApplication: AGI\nData: agi:async\nAsync: yes\n\n\
              Action: AGI\nChannel: Local/wait@x-00000000;1\nCommand: EXEC Exec Exec(NoOp(x))\n\n@tick 60\n\n",
        ],
        words: &[
            "Action: ", "\n\n", "Exec(", "TryExec(", "ExecIf(1?", "ExecIfTime(*,*,*,*?", ")", ":", "Gosub(s,1(", "Set(A=", "MSet(", "Data: ",
            "Command: EXEC Exec ", "Variable: A=", "Application: ", "${EVAL(", "${IF(1?", "$[(", "]", "}", "${", "-(", "!", "@tick 60\n\n",
            "Exec(Exec(Exec(Exec(Exec(Exec(Exec(Exec(Exec(Exec(Exec(Exec(Exec(Exec(Exec(Exec(", "Originate(Local/wait@x,app,",
        ],
    },
    Target {
        name: "switch_dialplan",
        run: switch::dialplan,
        longest: SHORT,
        texts: Texts::Dialplans,
        seeds: &[
            b"[x]\nexten => s,1,Set(n=$[${n}+1])\n same => n,GotoIf($[${n}<9]?1)\n same => n,Gosub(sub,1(a,b))\n same => n,Dial(Local/a@x&Local/b@x,5,gU(z))\n\
              exten => sub,1,Return(${ARG1})\nexten => a,1,Wait(1)\n same => n,Answer()\n same => n,Hangup(17)\nexten => b,1,While(1)\n same => n,EndWhile()\n\
              exten => h,1,Verbose(${CDR(disposition)})\nexten => _[1-9]X!,hint,SIP/${EXTEN}\n",
            b"[x]\nexten => s,1,Goto(s,1)\n",
            b"[x]\nexten => s,1,Dial(Local/s@x)\n",
            b"[x]\nexten => s,1,Gosub(s,1)\n",
            b"[x]\nexten => s,1,ExecIf(1?Queue(q):NoOp())\n same => n,ConfBridge(1)\n same => n,Park()\n same => n,Bridge(Local/s@x)\n",
        ],
        words: &[
            "exten => ", "same => n,", "s,1,", "(l)", "${", "}", "$[", "]", "Goto(", "Gosub(", "Return()", "Dial(", "Local/s@x",
            "&", "/n", "Set(", "GLOBAL(", "ExecIf(", "While(", "EndWhile()", "Queue(", "Wait(", "Hangup()", "Answer()", "_X.",
            "[1-9]", "include => ", "switch => ", "hint", "${EXTEN:1}", "h,1,", "ConfBridge(", "Park(", "System(", "Read(", "WaitExten(",
            "Originate(", "StackPop()", "ChanSpy(", "Transfer(",
        ],
    },
    Target {
        name: "switch_expressions",
        run: switch::expressions,
        longest: SHORT,
        texts: Texts::None,
        seeds: &[
            b"$[1 + 2 * (3 - -4) / 5 % 6]", b"$[\"a b\" = \"a b\" & 1 | !0]", b"$[\"x123\" : \"x([0-9]+)\"]", b"$[1 ? 2 :: 3]",
            b"${LEN(${STRREPLACE(abc,b,xyz)})} ${CUT(a-b-c,-,2-)} ${FIELDQTY(a|b,|)} ${FILTER(0-9,a1)} ${MATH(7%3,int)}",
            b"${REGEX(\"^[0-9]+$\" 123)} ${IF($[1 > 2]?a:b)} ${STRFTIME(0,UTC,%Y-%m-%d %q)} ${STRPTIME(2020,UTC,%Y)}",
            b"${SHIFT(A)}${PUSH(A)=x}${UNSHIFT(A,:)=y}${LISTFILTER(a,:,b)} ${SORT(a:3,b:1)} ${ARRAY(a,b)=1\\,2}",
            b"${DB(a/b)=1}${DB_KEYS(a)} ${HASH(h,k)=v}${HASHKEYS(h)} ${EVAL(${QUOTE(x)})} ${URIENCODE(a b)} ${BASE64_DECODE(YQ==)}",
            b"${EXTEN:1:-2}${x:-3}${PASSTHRU(abc):1:1} ${SPRINTF(%5.2f%s%d%c,1.5,a,3,b)} ${INC(n)} ${RAND(1,2)} ${TOUPPER(a)}",
        ],
        words: &[
            "${", "}", "$[", "]", "(", ")", "+", "-", "*", "/", "%", "=~", "::", "?", "!", "|", "&", ">=", "\"", "COS(", "POW(",
            "1e308", "9223372036854775807", "-9223372036854775808", "0.1", ":-1", ":99999999999", "EVAL(", "MATH(", "%99999d", "CUT(",
            "STRFTIME(", "REPLACE(", "SORT(", "SPRINTF(", "LISTFILTER(", "REGEX(\"", "STRREPLACE(", "AES_DECRYPT(", "ENUM", "<<", ">>",
        ],
    },
    Target {
        name: "switch_policies",
        run: policies::policies,
        longest: SHORT,
        texts: Texts::Client("a>"),
        seeds: policies::SEEDS,
        words: &[
            "Action: Originate\nChannel: Local/hold@x\nAsync: yes\n", "Action: Setvar\n", "Action: Getvar\n", "Action: AGI\n", "\n\n",
            "Variable: ", "Value: ", "Data: ", "Application: ", "Set\n", "MSet\n", "Exec\n", "ExecIf\n", "Gosub\n", "PreDialGoSub: ",
            "Exten: name\n", "Exten: exec\n", "Exten: expression\n", "Exten: eval\n", "Context: x\nPriority: 1\n", "CallerID: ", "Command: ",
            "A=", "B=", "P=(", "Q=)", "D=$", "${A}", "${P}", "${", "}", "$[", "]", "(", ")", "\"", "\\", ",", "GLOBAL(HIT)=1", "SET(", "DB(a/b)",
            "SHELL(", "CALLERID(name)", "LEN(", "EXEC Set ", "SET VARIABLE ", "GET FULL VARIABLE ", "UserEvent", "Body: ",
        ],
    },
    Target {
        name: "switch_nested",
        run: switch::nested_texts,
        longest: SHORT,
        texts: Texts::None,
        seeds: &[
            b"Exec(\nNoOp", b"TryExec(\n", b"ExecIf(1?\nSet(A=1)", b"ExecIfTime(*,*,*,*?\nExec(", b"Gosub(s,1(\n1", b"$[(\n1", b"$[-\n1",
            b"${\nA", b"${EVAL(\n${A}", b"${IMPORT(a,\nA", b"${MASTER_CHANNEL(\nA", b"${IF(1?\nb", b"Originate(Local/s@x,app,\nExec",
            b"REGEX(\"(\na", b"${HASH(\na", b"Dial(Local/s@x,,U(\nx", b"[[:alpha:]\na", b"\\\n$", b"\"\n\"",
        ],
        words: &[
            "Exec(", "TryExec(", "ExecIf(1?", "ExecIfTime(*,*,*,*?", "${", "$[", "}", "]", "(", ")", "\n", "EVAL(", "IMPORT(a,", "MASTER_CHANNEL(",
            "CUT(", "IF(1?", ":", "=~", "\"", "\\", "!", "-", "Set(A=", "MSet(A=", "Gosub(s,1(", "Dial(Local/s@x,,G(", "SHARED(", "REGEX(\"",
        ],
    },
];

const CONFIG_WORDS: &[&str] = &[
    "\n",
    "[",
    "]",
    "](!)",
    "](+)",
    "(a,b)",
    "=",
    "=>",
    ";",
    ";--",
    "--;",
    "\\;",
    "#include ",
    "#tryinclude ",
    "#exec ",
    "\"",
    "*.conf",
    "@file 1.conf\n",
    "@file http.conf\n",
    "@file amibox.conf\n",
    "@file extensions.conf\n",
    "@file acl.conf\n",
    "yes",
    "no",
    "-1",
    "4294967296",
    "0.0.0.0/0",
    "::/129",
    "\r\n",
    "\0",
    "\u{feff}",
    "secret",
    "permit",
    "eventfilter(",
];
