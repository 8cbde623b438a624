"""Reads mails with Python's email package: one in base64 a line, an answer in JSON a line."""
import base64
import email
import email.policy
import json
import sys

for line in sys.stdin:
    answer = {"text": "", "subject": "", "email": "", "files64": [], "names": []}
    try:
        m = email.message_from_bytes(base64.b64decode(line), policy=email.policy.default)
        try:
            answer["subject"] = str(m["subject"] or "")
        except Exception:
            pass
        try:
            addresses = m["from"].addresses
            answer["email"] = addresses[0].addr_spec if addresses else str(m["from"])
        except Exception:
            pass
        body = m.get_body(("plain", "html"))
        if body is not None:
            try:
                answer["text"] = body.get_content()
            except Exception:
                answer["text"] = str(body.get_payload())
        for p in m.iter_attachments():
            content = p.get_payload(decode=True)
            if content is None:
                content = p.as_bytes()
            answer["names"].append(p.get_filename() or "")
            answer["files64"].append(base64.b64encode(content).decode())
    except Exception:
        pass
    answer = {k: v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for k, v in answer.items()}
    print(json.dumps(answer), flush=True)
