"""The `cloudhsm` object, computed a second time from fields.md alone.

An oracle: plain, slow, and written without looking at the program that it checks. `enrich` turns a decoded
CloudTrail event into the exact text of the object, `expected_line` turns the bytes of one record into the
exact line that the filter must write for it.

Doubtful readings of fields.md, each with the choice made here (the labels stand at the places in the code):

F1  `"cloudhsm": null` at the top level counts as "already has a member": the record passes unchanged.
F2  Empty strings inside arrays (`subnetIds`, tag keys, principals) are dropped like members of a wrong type.
F3  An empty `userIdentity.type` counts as no type; one of a wrong type too.
F4  "has" (api of CreateHsm and DeleteHsm) is any value but null, whatever its type, the empty string included;
    `clusterId` is asked first, so an event that has both is v2.
F5  "with rp.hsmType" means a non-empty string.
F6  "with creationDate" (credential) means a non-empty string, whether or not it reads as a time.
F7  Letters and digits of an "id in a text" are ASCII, on both sides; at least one must follow `KIND-`.
F8  Kind of a tagged resource: resourceId is searched before resourceArn; in one text the kinds are tried in
    the order printed (cluster, backup, hsm, hapg, client), not by position. Tag operations are the six whose
    catalogue resource is `tag`, ListTags and ListTagsForResource included.
F9  `source_backup_id`: only the first alternative is searched for `backup-…`; the other three are taken whole.
F10 An ARN starts with `arn:` and has at least six parts; its account is the fifth part and only 12 ASCII digits
    are an account id. With anything else there source_backup_account is absent and a principal keeps its text.
F11 `hsm_count` is the plain length of the array, members of a wrong type included.
F12 An IP address is strict text: no leading zeros in IPv4, no zone id, no brackets, no blanks; `::ffff:10.0.0.1`
    is an IPv6 address outside the ranges listed, hence public.
F13 The basic time form is exactly `YYYYMMDDTHHMMSSZ`: upper case, no fraction, no offset.
F14 "Cut" drops digits of the fraction: 1969-12-31T23:59:59.9999Z is -1 ms, not 0.
F15 "Ignoring case" is ASCII.
F16 ROLE needs the slash after it; ROLE and SESSION are each used when not empty; the first `:assumed-role/` counts.
F17 `denied_read` has no "otherwise": a denied unknown Delete… with readOnly true gets both denied rows.
F18 In the rows that begin with …, that is the operation of the row above and no more: a foreign backup needs
    CreateCluster but no source_backup_id (an ARN of another account without `backup-…` is worth no less);
    shared_externally and unreadable_policy need PutResourcePolicy.
F19 `NotPrincipal` counts when present and not null, also beside a `Principal` (which counts too).
F20 `Principal` as an array is of an unexpected type: absent. `Effect` is exactly `Allow`.
F21 Names of a policy are compared after unpaired surrogates became U+FFFD.
F22 No eventName: known false, action other, hence access by readOnly or write, api by the host header.
F23 `\\u00xx` has lower-case hex digits; DEL, U+2028 and `/` are written as they are.
F24 Hex digits of a permission set's suffix may be upper case (those of an instance id may not, as printed).
F25 `sessionCredentialFromConsole` and `vpcEndpointId` are read at the top level only.
F26 A userAgent of only `[` has no client: after the bracket is dropped nothing is left.
F27 `source_region` from awsRegion for CopyBackupToRegion whatever the outcome.
"""

import json
import re
import sys
from fractions import Fraction

sys.set_int_max_str_digits(0)  # the fraction of a time may have any number of digits

EVENT_SOURCES = {host + tail for host in ("cloudhsm.amazonaws.com", "cloudhsmv2.amazonaws.com") for tail in ("", ".cn")}

# name: (generations, action, resource, destructive); access is read when the action is.
CATALOGUE = {
    "CopyBackupToRegion": ("v2", "copy", "backup", False),
    "CreateCluster": ("v2", "create", "cluster", False),
    "CreateHsm": ("both", "create", "hsm", False),
    "DeleteBackup": ("v2", "delete", "backup", True),
    "DeleteCluster": ("v2", "delete", "cluster", True),
    "DeleteHsm": ("both", "delete", "hsm", True),
    "DeleteResourcePolicy": ("v2", "unshare", "resource_policy", False),
    "DescribeBackups": ("v2", "read", "backup", False),
    "DescribeClusters": ("v2", "read", "cluster", False),
    "GetResourcePolicy": ("v2", "read", "resource_policy", False),
    "InitializeCluster": ("v2", "initialize", "cluster", False),
    "ListTags": ("v2", "read", "tag", False),
    "ModifyBackupAttributes": ("v2", "modify", "backup", False),
    "ModifyCluster": ("v2", "modify", "cluster", False),
    "PutResourcePolicy": ("v2", "share", "resource_policy", False),
    "RestoreBackup": ("v2", "restore", "backup", False),
    "TagResource": ("v2", "tag", "tag", False),
    "UntagResource": ("v2", "untag", "tag", False),
    "AddTagsToResource": ("classic", "tag", "tag", False),
    "CreateHapg": ("classic", "create", "hapg", False),
    "CreateLunaClient": ("classic", "create", "luna_client", False),
    "DeleteHapg": ("classic", "delete", "hapg", True),
    "DeleteLunaClient": ("classic", "delete", "luna_client", True),
    "DescribeHapg": ("classic", "read", "hapg", False),
    "DescribeHsm": ("classic", "read", "hsm", False),
    "DescribeLunaClient": ("classic", "read", "luna_client", False),
    "GetConfig": ("classic", "read", "luna_client", False),
    "ListAvailableZones": ("classic", "read", "region", False),
    "ListHapgs": ("classic", "read", "hapg", False),
    "ListHsms": ("classic", "read", "hsm", False),
    "ListLunaClients": ("classic", "read", "luna_client", False),
    "ListTagsForResource": ("classic", "read", "tag", False),
    "ModifyHapg": ("classic", "modify", "hapg", False),
    "ModifyHsm": ("classic", "modify", "hsm", False),
    "ModifyLunaClient": ("classic", "modify", "luna_client", False),
    "RemoveTagsFromResource": ("classic", "untag", "tag", False),
}

ACTION_BY_PREFIX = [
    (("Describe", "List", "Get"), "read"), (("Create",), "create"), (("Delete",), "delete"),
    (("Modify", "Update", "Put"), "modify"), (("Copy",), "copy"), (("Restore",), "restore"),
    (("Tag", "AddTags"), "tag"), (("Untag", "RemoveTags"), "untag"),
]

OUTCOME_BY_WORD = [
    (("accessdenied", "unauthorized", "notauthorized"), "denied"),
    (("unrecognizedclient", "invalidclienttokenid", "expiredtoken", "signaturedoesnotmatch",
      "missingauthenticationtoken", "authfailure"), "unauthenticated"),
    (("throttl", "toomanyrequests", "requestlimitexceeded"), "throttled"),
    (("notfound",), "not_found"),
    (("limitexceeded",), "limit_exceeded"),
    (("invalid", "validation", "malformed"), "invalid"),
    (("internal", "unavailable"), "service_error"),
]

KIND_BY_TYPE = {
    "Root": "root", "IAMUser": "iam_user", "AssumedRole": "assumed_role", "Role": "role",
    "FederatedUser": "federated_user", "SAMLUser": "saml_user", "WebIdentityUser": "web_identity_user",
    "IdentityCenterUser": "identity_center_user", "Directory": "directory_user",
    "AWSAccount": "aws_account", "AWSService": "aws_service",
}

STEPS = ["informational", "low", "medium", "high", "critical"]
LOW, MEDIUM, HIGH, CRITICAL = 1, 2, 3, 4

MAX_DEPTH = 128


# ---- JSON in -------------------------------------------------------------------------------------------------

class Number:
    """A JSON number as text: no number of the event is ever read, and some would not fit."""

    def __init__(self, text):
        self.text = text


def no_constant(word):
    raise ValueError(f"{word} is no JSON")


def scalar_values(text):
    """Unpaired surrogates become U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def last_wins(pairs):
    return {scalar_values(name): value for name, value in pairs}  # F21


def decode(text):
    """JSON of RFC 8259, the last duplicate wins, numbers kept as text."""
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=no_constant,
                      object_pairs_hook=last_wins)


def depth_of(text):
    """The deepest level of brackets in a JSON text, a lone object being 1."""
    deepest = level = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "{[":
            level += 1
            deepest = max(deepest, level)
        elif char in "}]":
            level -= 1
    return deepest


# ---- JSON out ------------------------------------------------------------------------------------------------

SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def write_string(text):
    out = ['"']
    for char in text:
        if char in SHORT:
            out.append(SHORT[char])
        elif ord(char) < 0x20:
            out.append(f"\\u{ord(char):04x}")  # F23
        else:
            out.append(char)
    out.append('"')
    return "".join(out)


def write(value):
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return write_string(value)
    if isinstance(value, list):
        return "[" + ",".join(write(item) for item in value) + "]"
    return "{" + ",".join(write_string(name) + ":" + write(item) for name, item in value.items()) + "}"


def known_only(members):
    """No nulls, no empty strings, no empty arrays or objects; false and 0 stay."""
    return {name: value for name, value in members.items() if not (value is None or value in ("", [], {}))}


# ---- reading the event ---------------------------------------------------------------------------------------

def at(value, *path):
    """The member at a path, or None when something on the way is no object."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def text(value, *path):
    """The non-empty string at a path, or None."""
    found = at(value, *path)
    return scalar_values(found) if isinstance(found, str) and found else None


def truth(value, *path):
    found = at(value, *path)
    return found if isinstance(found, bool) else None


def strings(value):
    """The non-empty strings of an array (F2)."""
    return [scalar_values(item) for item in value if isinstance(item, str) and item] if isinstance(value, list) else []


def first(*alternatives):
    return next((value for value in alternatives if value), None)


def after_first(char, value):
    return value.partition(char)[2] or None if value else None


def after_last(char, value):
    return value.rpartition(char)[2] or None if value and char in value else None


def is_ascii_alnum(char):
    return char.isascii() and char.isalnum()


def id_in(kind, value):
    """The first `kind-` with letters or digits after it and none of those nor `-` before it (F7)."""
    if not value:
        return None
    mark = kind + "-"
    start = value.find(mark)
    while start >= 0:
        end = start + len(mark)
        while end < len(value) and is_ascii_alnum(value[end]):
            end += 1
        before = value[start - 1] if start else " "
        if end > start + len(mark) and not (is_ascii_alnum(before) or before == "-"):
            return value[start:end]
        start = value.find(mark, start + 1)
    return None


def is_account_id(value):
    return len(value) == 12 and all(char in "0123456789" for char in value)


def arn_account(value):
    """The account id of an ARN, or None (F10)."""
    parts = value.split(":") if value else []
    if len(parts) >= 6 and parts[0] == "arn" and is_account_id(parts[4]):
        return parts[4]
    return None


# ---- time ----------------------------------------------------------------------------------------------------

EXTENDED = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))?")
BASIC = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")  # F13


def is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def month_lengths(year):
    return [31, 29 if is_leap(year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


def days_before_year(year):
    """Days from 0001-01-01 to the first of January of `year`."""
    done = year - 1
    return done * 365 + done // 4 - done // 100 + done // 400


EPOCH_DAY = days_before_year(1970)
FIRST_SECOND = (days_before_year(1) - EPOCH_DAY) * 86400
AFTER_LAST_SECOND = (days_before_year(10000) - EPOCH_DAY) * 86400


def seconds_of(value):
    """A time as exact seconds since the epoch (a Fraction), or None."""
    match = EXTENDED.fullmatch(value) if value else None
    if match:
        fraction, sign, offset_hours, offset_minutes = match.group(7, 8, 9, 10)
    else:
        match = BASIC.fullmatch(value) if value else None
        if not match:
            return None
        fraction = sign = offset_hours = offset_minutes = None
    year, month, day, hours, minutes, seconds = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= month_lengths(year)[month - 1]:
        return None
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    offset = 0
    if sign:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            return None
        offset = (int(offset_hours) * 3600 + int(offset_minutes) * 60) * (1 if sign == "+" else -1)
    days = days_before_year(year) - EPOCH_DAY + sum(month_lengths(year)[:month - 1]) + day - 1
    whole = days * 86400 + hours * 3600 + minutes * 60 + seconds - offset
    if not FIRST_SECOND <= whole < AFTER_LAST_SECOND:
        return None
    return whole + (Fraction(int(fraction), 10 ** len(fraction)) if fraction else 0)


def cut(value):
    """The whole part towards the past: what is left when the digits of the fraction are cut (F14)."""
    return value.numerator // value.denominator if isinstance(value, Fraction) else value


def rfc3339(seconds):
    days, rest = divmod(cut(seconds), 86400)
    days += EPOCH_DAY
    year = days // 366 + 1
    while days_before_year(year + 1) <= days:
        year += 1
    days -= days_before_year(year)
    month = 1
    for length in month_lengths(year):
        if days < length:
            break
        days -= length
        month += 1
    return f"{year:04}-{month:02}-{days + 1:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


# ---- addresses -----------------------------------------------------------------------------------------------

def ipv4(value):
    """The 32 bits of a dotted quad without leading zeros, or None (F12)."""
    parts = value.split(".")
    if len(parts) != 4:
        return None
    bits = 0
    for part in parts:
        if not re.fullmatch("0|[1-9][0-9]{0,2}", part) or int(part) > 255:
            return None
        bits = bits << 8 | int(part)
    return bits


def hextets(value):
    """The 16-bit groups of one side of `::`, the last of which may be a dotted quad; None when it is no such text."""
    if value == "":
        return []
    groups = []
    parts = value.split(":")
    for place, part in enumerate(parts):
        if re.fullmatch("[0-9a-fA-F]{1,4}", part):
            groups.append(int(part, 16))
        elif place == len(parts) - 1 and ipv4(part) is not None:
            groups += [ipv4(part) >> 16, ipv4(part) & 0xFFFF]
        else:
            return None
    return groups


def ipv6(value):
    """The 128 bits of an IPv6 address, or None."""
    left, gap, right = value.partition("::")
    if gap:
        head, tail = hextets(left), hextets(right)
        # An embedded IPv4 address is only at the very end, so not on the left of the gap.
        if head is None or tail is None or "." in left or len(head) + len(tail) > 7:
            return None
        groups = head + [0] * (8 - len(head) - len(tail)) + tail
    else:
        groups = hextets(value)
        if groups is None or len(groups) != 8:
            return None
    bits = 0
    for group in groups:
        bits = bits << 16 | group
    return bits


PRIVATE_V4 = [((10, 0, 0, 0), 8), ((172, 16, 0, 0), 12), ((192, 168, 0, 0), 16), ((100, 64, 0, 0), 10),
              ((127, 0, 0, 0), 8), ((169, 254, 0, 0), 16)]
PRIVATE_V6 = [(0xFC00 << 112, 7), (0xFE80 << 112, 10), (1, 128)]


def address_kind(value):
    """`private`, `public`, or None when the text is no IP address."""
    bits = ipv4(value)
    if bits is not None:
        nets = [(int.from_bytes(bytes(quad), "big"), length) for quad, length in PRIVATE_V4]
        width = 32
    else:
        bits = ipv6(value)
        if bits is None:
            return None
        nets, width = PRIVATE_V6, 128
    inside = any(bits >> (width - length) == net >> (width - length) for net, length in nets)
    return "private" if inside else "public"


# ---- the parts of the object ---------------------------------------------------------------------------------

def action_of(name):
    if name in CATALOGUE:
        return CATALOGUE[name][1]
    for prefixes, action in ACTION_BY_PREFIX:
        if name and name.startswith(prefixes):
            return action
    return "other"  # F22


def api_of(event, name):
    generation = CATALOGUE[name][0] if name in CATALOGUE else None
    if generation in ("v2", "classic"):
        return generation
    if generation == "both":
        rp = at(event, "requestParameters")
        if at(rp, "clusterId") is not None:  # F4
            return "v2"
        if any(at(rp, member) is not None for member in ("hsmArn", "sshKey", "iamRoleArn", "subscriptionType")):
            return "classic"
    host = text(event, "tlsDetails", "clientProvidedHostHeader") or ""
    if host.startswith("cloudhsmv2."):
        return "v2"
    if host.startswith("cloudhsm."):
        return "classic"
    return "unknown"


def access_of(event, name, action):
    if name in CATALOGUE:
        return "read" if action == "read" else "write"
    read_only = truth(event, "readOnly")
    if read_only is not None:
        return "read" if read_only else "write"
    return "read" if action == "read" else "write"


def resource_type_of(event, name):
    if name not in CATALOGUE:
        return None
    resource = CATALOGUE[name][2]
    if resource != "tag":
        return resource
    for member in ("resourceId", "resourceArn"):  # F8
        for kind, word in (("cluster", "cluster"), ("backup", "backup"), ("hsm", "hsm"), ("hapg", "hapg"),
                           ("client", "luna_client")):
            if id_in(kind, text(event, "requestParameters", member)):
                return word
    return "tag"


def ascii_lower(value):
    return "".join(char.lower() if char.isascii() else char for char in value)  # F15


def outcome_of(event):
    code = text(event, "errorCode")
    if not code and not text(event, "errorMessage"):
        return "success"
    for words, outcome in OUTCOME_BY_WORD:
        if code and any(word in ascii_lower(code) for word in words):
            return outcome
    return "failure"


def from_console(event):
    value = at(event, "sessionCredentialFromConsole")
    return value is True or value == "true"


def is_service_name(value):
    return value.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def credential_of(ui, kind):
    if kind == "aws_service":
        return "none"
    key = text(ui, "accessKeyId") or ""
    if key.startswith("ASIA"):
        return "temporary"
    if key.startswith("AKIA"):
        return "long_term"
    if kind in ("assumed_role", "federated_user", "identity_center_user"):
        return "temporary"
    if kind in ("saml_user", "web_identity_user"):
        return "none"
    started = text(ui, "sessionContext", "attributes", "creationDate")  # F6
    if kind in ("root", "iam_user") and started:
        return "temporary"
    if kind == "aws_account" and (text(ui, "principalId") or "").startswith("AROA"):
        return "temporary"
    return "unknown"


def role_and_session(arn):
    """ROLE and SESSION of `…:assumed-role/ROLE/SESSION`, each None when not there (F16)."""
    _, mark, rest = (arn or "").partition(":assumed-role/")
    role, slash, session = rest.partition("/")
    return (role or None, session or None) if mark and slash else (None, None)


def permission_set_of(role):
    match = re.fullmatch(r"AWSReservedSSO_(.+)_[0-9a-fA-F]{16}", role or "", re.DOTALL)  # F24
    return match.group(1) if match else None


def name_of(ui, kind, service):
    if kind == "assumed_role":
        return first(text(ui, "sessionContext", "sessionIssuer", "userName"), role_and_session(text(ui, "arn"))[0])
    if kind == "federated_user":
        _, _, name = (text(ui, "arn") or "").partition(":federated-user/")
        return first(name, after_first(":", text(ui, "principalId")))
    if kind == "root":
        return first(text(ui, "userName"), "root")
    if kind == "aws_service":
        return service
    if kind == "identity_center_user":
        return text(ui, "onBehalfOf", "userId")
    if kind == "aws_account":
        return text(ui, "accountId")
    return first(text(ui, "userName"), after_last("/", text(ui, "arn")))


def actor_of(event):
    ui = at(event, "userIdentity")
    source = text(event, "sourceIPAddress") or ""
    invoked_by = text(ui, "invokedBy")
    identity_type = text(ui, "type")
    if identity_type:
        kind = KIND_BY_TYPE.get(identity_type, "unknown")
    elif text(event, "eventType") == "AwsServiceEvent" or invoked_by:  # F3
        kind = "aws_service"
    else:
        kind = "unknown"
    by_service = (kind == "aws_service" or invoked_by is not None or source.startswith("AWS Internal")
                  or is_service_name(source))
    service = first(invoked_by, source) if by_service else None
    name = name_of(ui, kind, service)
    role = name if kind == "assumed_role" else None
    session = None
    if kind == "assumed_role":
        session = first(role_and_session(text(ui, "arn"))[1], after_first(":", text(ui, "principalId")))
    issuer_arn = text(ui, "sessionContext", "sessionIssuer", "arn")
    issuer_kind = None
    if kind == "federated_user":
        issuer_kind = {"Root": "root", "IAMUser": "iam_user"}.get(text(ui, "sessionContext", "sessionIssuer", "type"))
    service_linked = ":role/aws-service-role/" in (issuer_arn or "") or (role or "").startswith("AWSServiceRoleFor")
    mfa = at(ui, "sessionContext", "attributes", "mfaAuthenticated")
    if not isinstance(mfa, bool):
        mfa = {"true": True, "false": False}.get(mfa) if isinstance(mfa, str) else None
    now = seconds_of(text(event, "eventTime"))
    started = seconds_of(text(ui, "sessionContext", "attributes", "creationDate"))
    age = now - started if now is not None and started is not None else None
    account, recipient = text(ui, "accountId"), text(event, "recipientAccountId")
    cross_account = account != recipient if account and recipient and kind != "identity_center_user" else None
    return known_only({
        "kind": kind,
        "credential": credential_of(ui, kind),
        "by_service": by_service,
        "service": service,
        "name": name,
        "session_name": session,
        "arn": text(ui, "arn"),
        "account_id": account,
        "issuer_arn": issuer_arn,
        "issuer_kind": issuer_kind,
        "permission_set": permission_set_of(role),
        "service_linked": True if service_linked else None,
        "instance_id": session if session and re.fullmatch("i-[0-9a-f]{8,17}", session) else None,
        "on_behalf_of": text(ui, "onBehalfOf", "userId"),
        "identity_provider": first(text(ui, "identityProvider"),
                                   text(ui, "sessionContext", "webIdFederationData", "federatedProvider")),
        "mfa": mfa,
        "console": True if from_console(event) else None,
        "session_started": rfc3339(started) if started is not None else None,
        "session_age_seconds": cut(age) if age is not None and age >= 0 else None,
        "cross_account": cross_account,
    })


def client_of(event):
    agent = text(event, "userAgent") or ""
    if from_console(event) or agent in ("console.amazonaws.com", "signin.amazonaws.com") or "S3Console/" in agent:
        return "console"
    for part, client in (("Terraform/", "terraform"), ("OpenTofu/", "opentofu"), ("Pulumi", "pulumi")):
        if part in agent:
            return client
    if agent == "cloudformation.amazonaws.com":
        return "cloudformation"
    if agent.startswith("["):
        agent = agent[1:]
    if agent.startswith("aws-cli/"):
        return "aws_cli"
    if agent.startswith(("Boto3/", "Botocore/", "aws-sdk-")):
        return "aws_sdk"
    if agent.startswith(("aws-internal/", "AWS Internal")):
        return "aws_internal"
    if agent.endswith(".amazonaws.com"):
        return "aws_service"
    if agent.startswith("Mozilla/"):
        return "browser"
    return "other" if agent else None  # F26


def origin_of(event):
    source = text(event, "sourceIPAddress") or ""
    address = address_kind(source)
    if address:
        kind = address
    elif source.startswith("AWS Internal"):
        kind = "aws_internal"
    elif is_service_name(source):
        kind = "aws_service"
    else:
        kind = "unknown"
    endpoint = text(event, "vpcEndpointId")
    return known_only({
        "kind": kind,
        "ip": source if address else None,
        "vpc_endpoint_id": endpoint if endpoint and endpoint.startswith("vpce-") else None,
        "client": client_of(event),
    })


def principal_name(value):
    return value if is_account_id(value) else arn_account(value) or value


def principals_of(statement):
    if text(statement, "Effect") != "Allow":  # F20
        return []
    found = []
    if at(statement, "NotPrincipal") is not None:  # F19
        found.append("*")
    principal = at(statement, "Principal")
    values = list(principal.values()) if isinstance(principal, dict) else [principal]
    for value in values:
        if isinstance(value, str):
            found += strings([value])
        elif isinstance(principal, dict):
            found += strings(value)
    return [principal_name(value) for value in found]


def read_policy(event):
    """The principals of a policy's Allow statements, or None when the policy is unreadable."""
    policy = text(event, "requestParameters", "policy")
    try:
        if not policy or depth_of(policy) > MAX_DEPTH:
            return None
        statements = at(decode(policy), "Statement")
    except (ValueError, RecursionError):
        return None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        return None
    return sorted({name for statement in statements for name in principals_of(statement)})


def retention_days_of(rp):
    value = text(rp, "backupRetentionPolicy", "value")
    return int(value) if value and re.fullmatch("[0-9]{1,9}", value) else None


def resource_of(event, name):
    rp, re_ = at(event, "requestParameters"), at(event, "responseElements")
    resource_id, resource_arn = text(rp, "resourceId"), text(rp, "resourceArn")
    one_subnet = [value] if (value := first(text(re_, "hsm", "subnetId"), text(rp, "subnetId"))) else []
    tags = at(rp, "tagList")
    tag_keys = strings([at(tag, "key") for tag in tags]) if isinstance(tags, list) else []
    hsms = at(re_, "cluster", "hsms")
    shared_with = read_policy(event) if name == "PutResourcePolicy" else None
    return known_only({
        "cluster_id": first(text(rp, "clusterId"), text(re_, "hsm", "clusterId"), text(re_, "cluster", "clusterId"),
                            text(re_, "backup", "clusterId"), id_in("cluster", resource_id),
                            id_in("cluster", resource_arn)),
        "hsm_id": first(text(rp, "hsmId"), text(re_, "hsm", "hsmId"), text(re_, "hsmId")),
        "backup_id": first(text(rp, "backupId"), text(re_, "backup", "backupId"), id_in("backup", resource_id),
                           id_in("backup", resource_arn)),
        "source_backup_id": first(id_in("backup", text(rp, "sourceBackupId")),  # F9
                                  text(re_, "cluster", "sourceBackupId"), text(re_, "backup", "sourceBackup"),
                                  text(re_, "destinationBackup", "sourceBackup")),
        "source_backup_account": arn_account(text(rp, "sourceBackupId")),
        "source_cluster_id": first(text(re_, "destinationBackup", "sourceCluster"),
                                   text(re_, "backup", "sourceCluster")),
        "source_region": first(text(re_, "destinationBackup", "sourceRegion"), text(re_, "backup", "sourceRegion"),
                               text(event, "awsRegion") if name == "CopyBackupToRegion" else None),  # F27
        "destination_region": text(rp, "destinationRegion"),
        "availability_zone": first(text(rp, "availabilityZone"), text(re_, "hsm", "availabilityZone")),
        "vpc_id": text(re_, "cluster", "vpcId"),
        "subnet_ids": strings(at(rp, "subnetIds")) or one_subnet,
        "security_group": text(re_, "cluster", "securityGroup"),
        "eni_id": first(text(rp, "eniId"), text(re_, "hsm", "eniId")),
        "eni_ip": first(text(rp, "eniIp"), text(re_, "hsm", "eniIp")),
        "hsm_type": first(text(rp, "hsmType"), text(re_, "hsm", "hsmType"), text(re_, "cluster", "hsmType"),
                          text(re_, "backup", "hsmType")),
        "mode": first(text(rp, "mode"), text(re_, "cluster", "mode"), text(re_, "backup", "mode")),
        "state": first(text(re_, "hsm", "state"), text(re_, "cluster", "state"), text(re_, "backup", "backupState"),
                       text(re_, "state")),
        "hsm_count": len(hsms) if isinstance(hsms, list) else None,  # F11
        "retention_days": retention_days_of(rp),
        "never_expires": truth(rp, "neverExpires"),
        "tag_keys": tag_keys or strings(at(rp, "tagKeyList")),
        "arn": first(resource_arn, text(rp, "hsmArn"), text(rp, "hapgArn"), text(rp, "clientArn"),
                     text(re_, "hsmArn"), text(re_, "hapgArn"), text(re_, "clientArn")),
        "shared_with": shared_with,
    })


# ---- severity ------------------------------------------------------------------------------------------------

class Verdict:
    def __init__(self):
        self.step = 0
        self.reasons = []
        self.attack = []

    def row(self, reason, step, *techniques):
        """A row that applies: its reason and techniques once each, the severity at least its step."""
        self.step = max(self.step, step)
        self.reasons += [reason] if reason not in self.reasons else []
        for technique in techniques:
            self.attack += [technique] if technique not in self.attack else []

    def up(self):
        self.step = min(self.step + 1, CRITICAL)


def judge_success(verdict, event, top, resource):
    name = top.get("operation")
    rp = at(event, "requestParameters")
    recipient = text(event, "recipientAccountId")
    row = verdict.row
    if name == "DeleteBackup":
        row("backup_deleted", HIGH, "T1490", "T1485")
    if name == "DeleteHsm":
        row("hsm_deleted", HIGH, "T1485", "T1489")
    if name == "DeleteCluster":
        row("cluster_deleted", CRITICAL, "T1485")
    if name == "CopyBackupToRegion":
        row("backup_copied_to_region", HIGH, "T1537")
    if name == "PutResourcePolicy":
        row("backup_shared", HIGH, "T1537")
        shared = resource.get("shared_with", [])
        if any(who != recipient and not who.endswith(".amazonaws.com") for who in shared):
            row("backup_shared_externally", CRITICAL, "T1537")
        if read_policy(event) is None:
            row("unreadable_policy", CRITICAL, "T1537")
    if name == "DeleteResourcePolicy":
        row("backup_unshared", LOW)
    if name == "RestoreBackup":
        row("backup_restored", LOW)
    if name == "ModifyBackupAttributes":
        if resource.get("never_expires") is False:
            row("backup_retention_removed", MEDIUM, "T1490")
        if resource.get("never_expires") is True:
            row("backup_retained", 0)
    if name == "ModifyCluster":
        days = resource.get("retention_days")
        if days is not None:
            if days < 30:
                row("retention_below_30_days", HIGH, "T1490")
            else:
                row("retention_changed", MEDIUM, "T1490")
        if text(rp, "hsmType"):  # F5
            row("hsm_type_changed", MEDIUM, "T1578.005")
    if name == "InitializeCluster":
        row("cluster_initialized", MEDIUM, "T1098")
    if name == "CreateCluster":
        row("cluster_created", LOW, "T1578.002")
        if "source_backup_id" in resource:
            row("cluster_created_from_backup", MEDIUM, "T1578.002")
        owner = resource.get("source_backup_account")
        if owner and recipient and owner != recipient:  # F18
            row("cluster_created_from_foreign_backup", HIGH, "T1578.002")
        if text(rp, "mode") == "NON_FIPS":
            row("non_fips_mode", MEDIUM)
    if name == "CreateHsm":
        row("hsm_created", LOW, "T1578.002")
    if top["destructive"] and not verdict.reasons:
        row("destructive_call", HIGH, "T1485")
    if top["action"] in ("tag", "untag"):
        row("tags_changed", LOW)
    if top["api"] == "classic" and top["access"] == "write":
        row("classic_change", MEDIUM)
    if not top["known"]:
        row("unknown_operation", LOW)
    if top["access"] == "write" and not verdict.reasons:
        row("write_call", LOW)


def judge_failure(verdict, top):
    outcome, access, destructive = top["outcome"], top["access"], top["destructive"]
    row = verdict.row
    grave = destructive or top["action"] in ("copy", "share")
    if outcome == "denied" and grave:
        row("denied_destructive", HIGH, "T1485" if destructive else "T1537")
    if outcome == "denied" and access == "write" and not grave:
        row("denied_write", MEDIUM, "T1580")
    if outcome == "denied" and access == "read":  # F17
        row("denied_read", LOW, "T1580")
    if outcome == "unauthenticated":
        row("unauthenticated_call", MEDIUM, "T1078.004")
    if top.get("error_code") == "VpceAccessDenied":
        row("endpoint_policy_denied", MEDIUM)
    if outcome == "throttled" and destructive:
        row("throttled_destructive", LOW)
    if outcome not in ("denied", "unauthenticated", "throttled"):
        if destructive:
            row("failed_destructive", MEDIUM)
        elif access == "write":
            row("failed_write", LOW)


def judge_actor(verdict, top, actor):
    write = top["access"] == "write"
    row = verdict.row
    if actor["kind"] == "root":
        if write:
            verdict.up()
        row("root_actor", HIGH if write else MEDIUM, "T1078.004")
    if not write:
        return
    if actor.get("cross_account") is True:
        verdict.up()
        row("cross_account_actor", 0, "T1078.004")
    if actor["credential"] == "long_term":
        row("long_term_key", 0, "T1078.004")
    if actor["kind"] in ("root", "iam_user") and actor.get("mfa") is False:
        row("no_mfa", 0)
    if actor["by_service"]:
        row("service_initiated", 0)


# ---- the object ----------------------------------------------------------------------------------------------

def enrich(event):
    """The text of the `cloudhsm` object for a decoded record, or None when it passes unchanged."""
    if not isinstance(event, dict) or "cloudhsm" in event:  # F1
        return None
    insight = event.get("insightDetails")
    if text(event, "eventSource") is None and isinstance(insight, dict):
        event = {**event, **{name: insight.get(name) for name in ("eventSource", "eventName", "errorCode")}}
    if text(event, "eventSource") not in EVENT_SOURCES:
        return None
    name = text(event, "eventName")
    action = action_of(name)
    now = seconds_of(text(event, "eventTime"))
    top = {
        "version": 1,
        "operation": name,
        "known": name in CATALOGUE,
        "api": api_of(event, name),
        "access": access_of(event, name, action),
        "action": action,
        "resource_type": resource_type_of(event, name),
        "destructive": CATALOGUE[name][3] if name in CATALOGUE else action == "delete",
        "outcome": outcome_of(event),
        "error_code": text(event, "errorCode"),
        "time_ms": cut(now * 1000) if now is not None else None,
    }
    actor, origin, resource = actor_of(event), origin_of(event), resource_of(event, name)
    verdict = Verdict()
    if top["outcome"] == "success":
        judge_success(verdict, event, top, resource)
    else:
        judge_failure(verdict, top)
    judge_actor(verdict, top, actor)
    return write(known_only({
        **top,
        "actor": actor,
        "origin": origin,
        "resource": resource,
        "severity": STEPS[verdict.step],
        "reasons": verdict.reasons,
        "attack": verdict.attack,
    }))


def one_line(record):
    """A record's bytes without line breaks and the blanks after them; a valid record has none inside strings."""
    return re.sub(rb"[\r\n][\r\n \t]*", b"", record)


def expected_line(record):
    """The line, without its line feed, that the filter must write for the bytes of one valid record."""
    line = one_line(record)
    added = enrich(decode(line.decode("utf-8")))
    if added is None:
        return line
    brace = line.rindex(b"}")
    return line[:brace] + b',"cloudhsm":' + added.encode("utf-8") + line[brace:]
