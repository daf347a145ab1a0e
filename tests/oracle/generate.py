"""Hard but valid CloudTrail records as NDJSON, the same for the same seed.

Records are built as trees of `(name, value)` pairs, so that duplicate names and member order are under control,
and written by hand, so that escapes and white space are too. A third of them are plain, the rest are bent:
wrong types, odd values from the tables below, duplicates, escapes, deep nesting. No record holds a line break.
"""

import argparse
import random
import sys

from fields import CATALOGUE

ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"


class Raw(str):
    """Text that is written as it stands."""


class Pairs(list):
    """An object as a list of pairs: duplicates possible."""


# ---- writing -------------------------------------------------------------------------------------------------

SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape_unit(rng, unit):
    digits = f"{unit:04x}"
    return "\\u" + "".join(rng.choice((digit, digit.upper())) for digit in digits)


def write_string(rng, text, share):
    """A JSON string; `share` of its characters are escaped without need."""
    out = []
    for char in text:
        code = ord(char)
        if 0xD800 <= code <= 0xDFFF:
            out.append(escape_unit(rng, code))
        elif char in SHORT:
            out.append(SHORT[char] if rng.random() < 0.7 else escape_unit(rng, code))
        elif code < 0x20 or rng.random() < share:
            if code > 0xFFFF:
                out.append(escape_unit(rng, 0xD800 + (code - 0x10000 >> 10)))
                out.append(escape_unit(rng, 0xDC00 + (code - 0x10000 & 0x3FF)))
            elif char == "/" and rng.random() < 0.5:
                out.append("\\/")
            else:
                out.append(escape_unit(rng, code))
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


class Writer:
    def __init__(self, rng, escapes, blanks):
        self.rng, self.escapes, self.blanks = rng, escapes, blanks

    def gap(self):
        if self.blanks == 0 or self.rng.random() > self.blanks:
            return ""
        return self.rng.choice((" ", "\t", "  ", " \t "))

    def write(self, value):
        if isinstance(value, Raw):
            return str(value)
        if isinstance(value, str):
            return write_string(self.rng, value, self.escapes)
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return str(value)
        if isinstance(value, Pairs):
            items = [self.gap() + self.write(str(name)) + self.gap() + ":" + self.gap() + self.write(item) + self.gap()
                     for name, item in value]
            return "{" + (",".join(items) or self.gap()) + "}"
        items = [self.gap() + self.write(item) + self.gap() for item in value]
        return "[" + (",".join(items) or self.gap()) + "]"


def obj(**members):
    return Pairs((name, value) for name, value in members.items() if value is not ABSENT)


ABSENT = object()


# ---- tables of values ----------------------------------------------------------------------------------------

EVENT_SOURCES = ["cloudhsm.amazonaws.com"] * 20 + ["cloudhsmv2.amazonaws.com", "cloudhsm.amazonaws.com.cn",
                                                   "cloudhsmv2.amazonaws.com.cn"]
OTHER_SOURCES = ["s3.amazonaws.com", "kms.amazonaws.com", "cloudhsm.amazonaws.com.evil", "CloudHSM.amazonaws.com",
                 "cloudhsm.amazonaws.com ", " cloudhsm.amazonaws.com", "cloudhsm.amazonaws.com.cn.cn",
                 "cloudhsmv1.amazonaws.com", "xcloudhsm.amazonaws.com", "cloudhsm.amazonaws.co", "cloudhsm", "",
                 "cloudhsm.amazonaws.com\u0000", "сloudhsm.amazonaws.com", 7, None, True, [],
                 ["cloudhsm.amazonaws.com"], Pairs()]

UNKNOWN_NAMES = ["DescribeThings", "ListThings", "GetThings", "CreateThing", "DeleteThing", "ModifyThing",
                 "UpdateThing", "PutThing", "CopyThing", "RestoreThing", "TagThing", "AddTagsToThing", "UntagThing",
                 "RemoveTagsFromThing", "RebootHsm", "createHsm", "CREATEHSM", "deletehsm", "CreateHsm ", " CreateHsm",
                 "Describe", "List", "Get", "Create", "Delete", "Tag", "Untag", "Listen", "Getter", "UnTagResource",
                 "AddTag", "RemoveTag", "RemoveTags", "describeClusters", "DeleteHsms", "CreateHsmé", "ListTagsFor",
                 "Créate", "PutResourcePolicyV2", "Associate", "Copybook", "Restored", "TAGResource"]

ERROR_CODES = ["AccessDenied", "AccessDeniedException", "CloudHsmAccessDeniedException", "VpceAccessDenied",
               "vpceaccessdenied", "Client.UnauthorizedOperation", "NotAuthorized", "UnrecognizedClientException",
               "InvalidClientTokenId", "ExpiredTokenException", "SignatureDoesNotMatch",
               "MissingAuthenticationToken", "AuthFailure", "ThrottlingException", "Throttled",
               "TooManyRequestsException", "RequestLimitExceeded", "CloudHsmResourceNotFoundException",
               "CloudHsmResourceLimitExceededException", "LimitExceededException", "CloudHsmInvalidRequestException",
               "ValidationException", "MalformedPolicyDocument", "CloudHsmInternalFailureException",
               "ServiceUnavailable", "CloudHsmServiceException", "CloudHsmTagException", "InternalFailure",
               "aCCESSdENIED", "INVALIDCLIENTTOKENID", "InvalidAccessDenied", "NotFoundLimitExceeded",
               "InternalValidation", "ThrottlingNotFound", "ExpiredTokenThrottling", "LimitExceededInvalid",
               "UnauthorizedExpiredToken", "Access Denied", "Acces\u017fDenied", "Inval\u0130d", "Throtling", "x", " ",
               "Throttl", "unavailabl\u212a", "Not Found", "😀", "REQUESTLIMITEXCEEDED", "é" * 40]

SOURCE_ADDRESSES = [
    "205.251.233.179", "198.51.100.7", "0.0.0.0", "255.255.255.255", "256.1.1.1", "1.2.3", "1.2.3.4.5", "1.2.3.",
    "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "172.15.255.255", "172.16.0.0", "172.31.255.255",
    "172.32.0.0", "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0", "100.63.255.255", "100.64.0.0",
    "100.127.255.255", "100.128.0.0", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0",
    "169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0", "010.0.0.1", "10.0.0.01", "255.090.254.5",
    "10.0.0.1 ", " 10.0.0.1", "10.0.0.1:443", "10.0.0.0/8", "1.2.3.-4", "1.2.3.+4", "1.2.3.0x4", "١.٢.٣.٤", "1..2.3",
    "::", "::1", "::2", "0:0:0:0:0:0:0:1", "fbff:ffff::", "fc00::", "fd12:3456:789a::1", "fdff:ffff::ffff", "fe00::",
    "fe7f:ffff::", "fe80::", "fe80::1", "FEBF:FFFF::1", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::", "FC00::1",
    "2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:db8:0000:0000:0000:0000:0000:0001", "2001:db8::00001",
    "fe80::1%eth0", "[::1]", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:a00:1", "::10.0.0.1", "64:ff9b::10.0.0.1",
    "::ffff:010.0.0.1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
    "1::2::3", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::",
    "1:2:3:4:5:6::1.2.3.4", "::1.2.3.4:5", "1:2:3:4::5:6:7:8", "g::1", ":::", ":", "12345::",
    "AWS Internal", "AWS Internal/#", "aws internal", " AWS Internal", "AWS Internals", "AWS InternaL",
    "kms.amazonaws.com", "ec2.amazonaws.com", "cloudformation.amazonaws.com.cn", ".amazonaws.com", "amazonaws.com",
    "kms.amazonaws.com.", "KMS.AMAZONAWS.COM", "kms.amazonaws.com.cn", "kms.amazonaws.com.cn.cn",
    "AWS Internal.amazonaws.com", "10.0.0.1.amazonaws.com", "evil.example", "HIDDEN", "-", " "]

USER_AGENTS = [
    "console.amazonaws.com", "signin.amazonaws.com", "[console.amazonaws.com", "[console.amazonaws.com]",
    "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12]", "S3Console", "x S3Console/",
    "APN/1.0 HashiCorp/1.0 Terraform/1.1.2 (+https://www.terraform.io)", "[APN/1.0 Terraform/1.1.2]", "terraform/1",
    "Terraform", "OpenTofu/1.6.0", "x OpenTofu/", "OpenTofu/1 Terraform/1", "Pulumi/3", "aws-sdk-go Pulumi",
    "pulumi", "Pulumi Terraform/1", "cloudformation.amazonaws.com", "[cloudformation.amazonaws.com",
    "cloudformation.amazonaws.com.cn", "aws-cli/2.15.0 Python/3.11", "[aws-cli/1.16]", "[[aws-cli/1.16]", "AWS-CLI/2",
    "Boto3/1.26.165 Python/3.9", "[Boto3/1.26.165]", "Botocore/1.31", "botocore/1.31", "aws-sdk-go/1.41.4",
    "[aws-sdk-java/1.12]", "aws-sdk", "aws-internal/3", "[aws-internal/3 aws-sdk-java]", "AWS Internal",
    "AWS Internal/#", "[AWS Internal]", "secretsmanager.amazonaws.com", "[lambda.amazonaws.com",
    "[lambda.amazonaws.com]", "lambda.amazonaws.com.cn", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)",
    "[Mozilla/5.0]", "Mozilla", "mozilla/5.0", "[", "]", "[]", " ", "stratus-red-team_0a1b", "curl/8.0", "é", "[é",
    "Boto3/1 Pulumi", "aws-cli/2 S3Console/", "signin.amazonaws.com ", "Signin.amazonaws.com"]

GOOD_TIMES = [
    "2017-07-11T03:50:45Z", "2022-11-15T18:49:20Z", "2022-11-15t18:49:20z", "2022-11-15 18:49:20",
    "2022-11-15T18:49:20", "2022-11-15T18:49:20.5Z", "2022-11-15T18:49:20.123456789123456789Z",
    "2022-11-15T18:49:20.9999", "2024-12-12 16:04:32.000000000", "2022-11-15T18:49:20+05:30", "2022-11-15T18:49:20-0800",
    "2022-11-15T18:49:20+23:59", "2022-11-15T18:49:20-23:59", "2022-11-15T18:49:20-00:00", "2022-11-15T18:49:20.001+00:00",
    "20131102T010628Z", "20240229T000000Z", "2024-02-29T00:00:00Z", "2000-02-29T23:59:59Z", "1970-01-01T00:00:00Z",
    "1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.0005Z", "1970-01-01T00:00:00.0009Z",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00-00:01", "9999-12-31T23:59:59+00:01",
    "1900-03-01T00:00:00Z", "2022-12-31T23:59:59.999999999999Z", "0400-02-29T12:00:00Z", "2022-11-15T18:49:20." + "0" * 60 + "1Z",
    "2022-11-15T18:49:20." + "9" * 5000 + "Z"]
BAD_TIMES = [
    "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "0000-12-31T23:59:59-01:00", "10000-01-01T00:00:00Z",
    "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2022-11-31T00:00:00Z", "2022-13-01T00:00:00Z", "2022-00-01T00:00:00Z",
    "2022-01-00T00:00:00Z", "2022-11-15T24:00:00Z", "2022-11-15T23:60:00Z", "2022-11-15T23:59:60Z", "2022-11-15T18:49Z",
    "2022-11-15", "2022-11-15T18:49:20.Z", "2022-11-15T18:49:20.", "2022-11-15T18:49:20,5Z", "2022-11-15T18:49:20+5:30",
    "2022-11-15T18:49:20+24:00", "2022-11-15T18:49:20+05:60", "2022-11-15T18:49:20+05", "2022-11-15T18:49:20 Z",
    "2022-11-15T18:49:20ZZ", " 2022-11-15T18:49:20Z", "2022-11-15T18:49:20Z ", "2022-11-15T18:49:20Z\n", "2022-11-15T18:49:20\n",
    "+2022-11-15T18:49:20Z", "-2022-11-15T18:49:20Z", "22-11-15T18:49:20Z", "2022-1-5T18:49:20Z", "２０２２-11-15T18:49:20Z",
    "2022-11-15T18:49:2٠Z", "2022-11-15T18:49:20\u221205:00", "20131102T010628", "20131102t010628Z", "20131102T010628z",
    "20131102T010628.5Z", "20131102 010628Z", "20131102T010628+0000", "20130229T010628Z", "00000101T000000Z",
    "20131102T240000Z", "2022-11-15  18:49:20Z", "2022-11-15_18:49:20Z", "2022/11/15T18:49:20Z", "Nov 15, 2022, 6:49:20 PM",
    "1668538160", "2022-11-15T18:49:20+0530:", "2022-11-15T18:49:20+05:3", "2022-11-15T18:49:20UTC", "2022-W46-2T18:49:20Z", ""]

IDS = ["cluster-fw7mh6mayb5", "backup-5tptus75gbc", "hsm-6lz2hfmnzbx", "hapg-1a2b3c4d", "client-1a2b3c4d"]
ODD_IDS = ["cluster-", "cluster-_a", "xcluster-abc", "-cluster-abc", "cluster-cluster-abc", "cluster-é", "écluster-abc",
           "cluster-abcé", "cluster- cluster-abc", "CLUSTER-ABC", "cluster-ABC", "a cluster-b-c", "cluster-a,cluster-b",
           "backup/backup-", "backup-backup-abc", "0backup-abc/backup-def", "hsm-1/partition-2", "tag", "_cluster-x", "cluster-١",
           "cluster_abc", "backup-a😀", "sub-hsm-1 hsm-2", "clientclient-1", "hapg-1 hsm-2 backup-3 cluster-4",
           "client-1/hsm-2"]


def resource_arns(rng):
    account = rng.choice((ACCOUNT, OTHER_ACCOUNT, "", "12345", "1234567890123", "11112222333a"))
    kind = rng.choice(("cluster", "backup", "hsm"))
    tail = rng.choice((f"{kind}/{kind}-fw7mh6mayb5", f"{kind}-1a2b3c4d", f"{kind}/", "hapg-1a2b3c4d", "client-1a2b3c4d",
                       "hsm-1a2b3c4d/partition-123456", "tag", ""))
    partition = rng.choice(("aws", "aws", "aws-cn", "aws-us-gov", ""))
    return f"arn:{partition}:cloudhsm:us-east-1:{account}:{tail}"


def identifier(rng, kind):
    roll = rng.random()
    if roll < 0.75:
        return kind + "-" + "".join(rng.choice("234567abcdefghijkmnpqrstuvwxyz") for _ in range(rng.choice((8, 11, 16))))
    if roll < 0.9:
        return rng.choice(IDS + ODD_IDS)
    return resource_arns(rng)


ODD_TEXTS = ["", " ", "\u0000", "\b\f\n\r\t", "\u001f\u007f\u0080", "\u2028\u2029", '"', "\\", "/", "é", "😀", "\ud800", "\udc00x",
             "\ud83d", "x\udfff\ud800y", "\udc00\ud800", "\ufeff", "\ufffd", "a" * 300, "\\u0041", "</script>", "null", "0", "\uffff",
             "\U0010ffff", "\ud83d\ude00"]
BIG_NUMBERS = ["0", "-0", "1e400", "-1E-400", "1" * 400, "0." + "0" * 400 + "1", "12345678901234567890", "1.0", "-0.0e+00",
               "1e-9999999999", "9007199254740993"]


def odd_value(rng, depth=0):
    """A value of any type, deep ones included."""
    roll = rng.randrange(12)
    if roll < 2:
        return None
    if roll < 4:
        return rng.random() < 0.5
    if roll < 6:
        return Raw(rng.choice(BIG_NUMBERS))
    if roll < 8:
        return rng.choice(ODD_TEXTS)
    if depth > 2:
        return []
    if roll < 10:
        return [odd_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return Pairs((rng.choice(ODD_TEXTS + ["type", "arn", "clusterId"]), odd_value(rng, depth + 1)) for _ in range(rng.randrange(3)))


def nested(rng, levels):
    """A value with exactly `levels` levels of brackets."""
    shape = [rng.choice("[{") for _ in range(levels)]
    left = "".join("[" if char == "[" else '{"a":' for char in shape)
    right = "".join("]" if char == "[" else "}" for char in reversed(shape))
    return Raw(left + rng.choice(("1", "null", '"x"')) + right)


# ---- the parts of an event -----------------------------------------------------------------------------------

def maybe(rng, share, value):
    return value if rng.random() < share else ABSENT


def any_time(rng):
    roll = rng.random()
    if roll < 0.5:
        return f"20{rng.randrange(10, 30)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}Z"
    if roll < 0.8:
        return rng.choice(GOOD_TIMES)
    return rng.choice(BAD_TIMES)


ROLES = ["AdminRole", "AWSReservedSSO_Admin_0123456789abcdef", "AWSReservedSSO_Power_User_0123456789ABCDEF",
         "AWSReservedSSO_A_0123456789abcde", "AWSReservedSSO__0123456789abcdef", "AWSReservedSSO_0123456789abcdef",
         "AWSReservedSSO_A_0123456789abcdef0", "AWSReservedSSO_A_0123456789abcdeg", "awsReservedSSO_A_0123456789abcdef",
         "AWSReservedSSO_A_B__0123456789abcdef", "AWSReservedSSO_é_0123456789abcdef", "AWSReservedSSO_A_0123456789abcdéf",
         "AWSServiceRoleForCloudHSM", "AWSServiceRoleFor", "AWSServiceRole", "xAWSServiceRoleForX", "R"]
SESSIONS = ["ExampleSession", "i-0dbc91f429e48eeed", "i-12345678", "i-1234567", "i-0123456789abcdef0", "i-0123456789abcdef01",
            "i-ABCDEF12", "i-1234567g", "I-12345678", "xi-12345678", "a/b/c", "user@example.com", "a:b", "", "i-12345678\n"]


def identity_arn(rng, kind):
    account = rng.choice((ACCOUNT, ACCOUNT, OTHER_ACCOUNT))
    role, session = rng.choice(ROLES), rng.choice(SESSIONS)
    if rng.random() < 0.1:
        return rng.choice((f"arn:aws:sts::{account}:assumed-role/{role}", f":assumed-role/{role}/{session}", "assumed-role/a/b",
                           f"arn:aws:sts::{account}:assumed-role//{session}", f"arn:aws:sts::{account}:assumed-role/{role}/",
                           f"x:assumed-role/a/b:assumed-role/c/d", f"arn:aws:sts::{account}:federated-user/", "/", "x/", "noslash",
                           "arn:aws:iam::1:user/path/to/name", "a:federated-user/b:federated-user/c"))
    return {"AssumedRole": f"arn:aws:sts::{account}:assumed-role/{role}/{session}",
            "FederatedUser": f"arn:aws:sts::{account}:federated-user/{rng.choice(('bob', 'a/b', 'x:y'))}",
            "Root": f"arn:aws:iam::{account}:root"}.get(str(kind), f"arn:aws:iam::{account}:user/{rng.choice(('alice', 'path/alice'))}")


TYPES = ["Root", "IAMUser", "AssumedRole", "AssumedRole", "AssumedRole", "Role", "FederatedUser", "SAMLUser", "WebIdentityUser",
         "IdentityCenterUser", "Directory", "AWSAccount", "AWSService", "Unknown"]
ODD_TYPES = ["root", "ROOT", "IamUser", "Assumed Role", "", " ", "Something", None, 5, [], ABSENT, ABSENT, ABSENT]
KEYS = ["ASIAIY22AX6VRYNBGJSA", "AKIAIOSFODNN7EXAMPLE", "ASIA", "AKIA", "asia1", "ABIA1", "EXAMPLE", "", None, 7, "xASIA", "AKIa"]
PRINCIPALS = ["AROAJZVM5NEGZSTCITAMM:ExampleSession", "AIDACKCEVSQ6C2EXAMPLE", ACCOUNT, f"{ACCOUNT}:name", "AROA", "aroa1", ":", "a:",
              ":b", "a:b:c", "AROAX:i-0dbc91f429e48eeed", "", "x"]


def mixed_case_bool(rng):
    return rng.choice(("true", "false", "true", "false", True, False, "True", "FALSE", "", None, 1, "false "))


def session_context(rng):
    role = rng.choice(ROLES)
    issuer = obj(
        type=maybe(rng, 0.8, rng.choice(("Role", "Root", "IAMUser", "root", "User", "", 5))),
        principalId="AROAJZVM5NEGZSTCITAMM",
        arn=maybe(rng, 0.8, rng.choice((f"arn:aws:iam::{ACCOUNT}:role/{role}", f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/x.amazonaws.com/{role}",
                                         f"arn:aws:iam::{ACCOUNT}:role/x/aws-service-role/{role}", "", 5))),
        accountId=ACCOUNT,
        userName=maybe(rng, 0.7, rng.choice((role, role, role, "", None))))
    return obj(
        attributes=maybe(rng, 0.85, obj(mfaAuthenticated=maybe(rng, 0.8, mixed_case_bool(rng)), creationDate=maybe(rng, 0.8, any_time(rng)))),
        sessionIssuer=maybe(rng, 0.8, issuer if rng.random() < 0.8 else Pairs()),
        webIdFederationData=maybe(rng, 0.4, obj(federatedProvider=maybe(rng, 0.6, rng.choice(("accounts.google.com", "", 3))), attributes=Pairs())))


def identity(rng):
    kind = rng.choice(TYPES) if rng.random() < 0.88 else rng.choice(ODD_TYPES)
    return obj(
        type=kind,
        principalId=maybe(rng, 0.8, rng.choice(PRINCIPALS)),
        arn=maybe(rng, 0.8, identity_arn(rng, kind)),
        accountId=maybe(rng, 0.8, rng.choice((ACCOUNT, ACCOUNT, ACCOUNT, OTHER_ACCOUNT, "", 111122223333))),
        accessKeyId=maybe(rng, 0.6, rng.choice(KEYS[:2] if rng.random() < 0.6 else KEYS)),
        userName=maybe(rng, 0.5, rng.choice(("alice", "", "a/b", "HIDDEN_DUE_TO_SECURITY_REASONS", "Zoë", None))),
        sessionContext=maybe(rng, 0.7, session_context(rng)),
        invokedBy=maybe(rng, 0.15, rng.choice(("kms.amazonaws.com", "AWS Internal", "", None, True, "x"))),
        onBehalfOf=maybe(rng, 0.15, obj(userId=maybe(rng, 0.9, rng.choice(("e3644802-3061-7018-86c3-USERID", "", 4))), identityStoreArn="a")),
        identityProvider=maybe(rng, 0.15, rng.choice(("accounts.google.com", "", False))))


POLICY_PRINCIPALS = [
    "*", ACCOUNT, OTHER_ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{OTHER_ACCOUNT}:root", f"arn:aws-cn:iam::{ACCOUNT}:root",
    f"arn:aws-cn:iam::{OTHER_ACCOUNT}:user/x", f"arn:aws:sts::{ACCOUNT}:assumed-role/R/S", "cloudhsm.amazonaws.com", "kms.amazonaws.com.cn",
    ".amazonaws.com", "evil.amazonaws.com.evil", "AIDACKCEVSQ6C2EXAMPLE", "11112222333", "1111222233334", "11112222333٣", "",
    "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1", "arn:aws:iam::*:root", "arn:aws:iam::123:root", " " + ACCOUNT,
    f"ARN:aws:iam::{OTHER_ACCOUNT}:root", "Zoë", "\ud800", "\ud83d\ude00", "😀", "\ufffd", "\uffee", 5, None, True, [], Pairs()]


def principal(rng):
    one = lambda: rng.choice(POLICY_PRINCIPALS)
    shape = rng.randrange(7)
    if shape == 0:
        return "*"
    if shape == 1:
        return one()
    if shape == 2:
        return [one(), one()]
    return Pairs((rng.choice(("AWS", "AWS", "Service", "Federated", "CanonicalUser", "*", "", "\ud800", "\udbff")),
                  one() if rng.random() < 0.4 else [one() for _ in range(rng.randrange(4))]) for _ in range(rng.randrange(4)))


def statement(rng):
    pairs = obj(
        Sid=maybe(rng, 0.3, "x"),
        Effect=maybe(rng, 0.95, rng.choice(("Allow",) * 14 + ("Deny", "allow", "ALLOW", "", None, 1))),
        Principal=maybe(rng, 0.85, principal(rng)),
        NotPrincipal=maybe(rng, 0.1, rng.choice(("*", None, Pairs(), obj(AWS=ACCOUNT), ""))),
        Action="cloudhsm:DescribeBackups")
    if rng.random() < 0.1:
        pairs.insert(rng.randrange(len(pairs) + 1), rng.choice((("Principal", principal(rng)), ("Effect", "Deny"), ("Effect", "Allow"), ("principal", "*"))))
    return pairs


def policy_text(rng):
    """The policy as the text that stands in requestParameters.policy, or a value that is no text."""
    roll = rng.random()
    writer = Writer(rng, rng.choice((0, 0, 0.1)), rng.choice((0, 0.3)))
    if roll < 0.12:
        return rng.choice(["", " ", "{}", "[]", "null", '"x"', "{", "{}x", "not json", "{\"Statement\":[]}", "{\"Statement\":{}}", "{\"Statement\":null}",
                           "{\"Statement\":\"x\"}", "{\"Statement\":5}", "{\"statement\":[]}", "[{\"Statement\":[]}]", "\ufeff{\"Statement\":[]}",
                           "{\"Statement\":[],}", "{\"Statement\":[1e]}", "{\"Statement\":[NaN]}", "{\"Statement\":[01]}", "{\"Statement\":\"a\nb\"}",
                           "{'Statement':[]}", " \n\t\r{\"Statement\":[]}\n ", "\u00a0{\"Statement\":[]}", "{\"Statement\":[-Infinity]}",
                           "{\"Statement\":[" + "1" * 400 + ",1e400]}", "{\"Statement\":[],\"x\":\"\\ud800\"}", "{\"Statement\":[],\"x\":\"\\x\"}",
                           "{\"Statement\":[],\"x\":\"\ud800\"}", "{\"State\\u006dent\":[]}", "{\"Statement\":[]} {}", "\u0000", "{\"Statement\":[],\"x\":\"\u007f\"}",
                           None, 5, True, Pairs(), obj(Statement=[]), []])
    if roll < 0.18:
        level = rng.choice((1, 10, 126, 127, 128, 129, 500))
        open_statements = '{"Effect":"Allow","Principal":"*"}'
        return writer.write(obj(Statement=[Raw(open_statements)], Condition=nested(rng, level)))
    if roll < 0.21:
        return "[" * rng.choice((127, 128, 129, 5000))
    statements = [statement(rng) if rng.random() < 0.93 else odd_value(rng) for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
    members = Pairs([("Version", "2012-10-17"), ("Statement", statements[0] if len(statements) == 1 and rng.random() < 0.5 else statements)])
    if rng.random() < 0.08:
        members.insert(rng.randrange(3), ("Statement", rng.choice((None, [], [statement(rng)], statement(rng), "x"))))
    text = writer.write(members)
    if rng.random() < 0.03:
        text = text[:rng.randrange(len(text))]
    return text


def tag_list(rng):
    tag = lambda: obj(key=maybe(rng, 0.9, rng.choice(("Owner", "Name", "", "Zoë", 5, None))), value="x") if rng.random() < 0.9 else odd_value(rng)
    return [tag() for _ in range(rng.randrange(4))]


RETENTION = ["90", "30", "29", "7", "379", "0", "000000030", "0000000029", "1234567890", "999999999", "-1", "+7", " 7", "7 ", "7.0", "٧", "", 30, None, "x"]
HSM_TYPES = ["hsm1.medium", "hsm2m.medium", "hsm2m.medium", "", 5, None]


def texts(rng, *values):
    return rng.choice(values + values + ("", None, 5))


def request_parameters(rng, name):
    unusual = 0.06
    own = {
        "CopyBackupToRegion": ["destinationRegion", "backupId", "tagList"], "CreateCluster": ["backupRetentionPolicy", "hsmType", "sourceBackupId", "subnetIds", "tagList", "mode"],
        "CreateHsm": ["clusterId", "availabilityZone", "subnetId", "sshKey", "iamRoleArn", "subscriptionType", "eniIp"], "DeleteBackup": ["backupId"], "DeleteCluster": ["clusterId"],
        "DeleteHsm": ["clusterId", "hsmId", "eniId", "eniIp", "hsmArn"], "DeleteResourcePolicy": ["resourceArn"], "GetResourcePolicy": ["resourceArn"], "InitializeCluster": ["clusterId"],
        "ListTags": ["resourceId"], "ModifyBackupAttributes": ["backupId", "neverExpires"], "ModifyCluster": ["hsmType", "backupRetentionPolicy", "clusterId"],
        "PutResourcePolicy": ["resourceArn", "policy"], "RestoreBackup": ["backupId"], "TagResource": ["resourceId", "tagList"], "UntagResource": ["resourceId", "tagKeyList"],
        "AddTagsToResource": ["resourceArn", "tagList"], "DeleteHapg": ["hapgArn"], "DeleteLunaClient": ["clientArn"], "DescribeHapg": ["hapgArn"], "DescribeHsm": ["hsmArn"],
        "DescribeLunaClient": ["clientArn"], "GetConfig": ["clientArn"], "ListTagsForResource": ["resourceArn"], "ModifyHapg": ["hapgArn"], "ModifyHsm": ["hsmArn", "subnetId", "eniIp"],
        "ModifyLunaClient": ["clientArn"], "RemoveTagsFromResource": ["resourceArn", "tagKeyList"],
    }.get(name, [])
    members = {
        "clusterId": lambda: identifier(rng, "cluster") if rng.random() < 0.9 else texts(rng, "x"),
        "hsmId": lambda: identifier(rng, "hsm"), "backupId": lambda: identifier(rng, "backup"),
        "resourceId": lambda: identifier(rng, rng.choice(("cluster", "backup"))) if rng.random() < 0.9 else texts(rng, "x"),
        "resourceArn": lambda: resource_arns(rng) if rng.random() < 0.8 else identifier(rng, rng.choice(("cluster", "backup", "hsm", "hapg", "client"))),
        "sourceBackupId": lambda: rng.choice((identifier(rng, "backup"), resource_arns(rng), f"arn:aws:cloudhsm:us-east-1:{OTHER_ACCOUNT}:backup/backup-5tptus75gbc")),
        "destinationRegion": lambda: texts(rng, "eu-west-1"), "availabilityZone": lambda: texts(rng, "us-west-2b"),
        "subnetIds": lambda: [rng.choice(("subnet-02c28c4b", "subnet-0f1e2d3c4b5a69788", "", None, 5, [])) for _ in range(rng.randrange(4))] if rng.random() < 0.9 else odd_value(rng),
        "subnetId": lambda: texts(rng, "subnet-02c28c4b"), "eniId": lambda: texts(rng, "eni-65338b5a"), "eniIp": lambda: texts(rng, "10.0.2.7"),
        "hsmType": lambda: rng.choice(HSM_TYPES), "mode": lambda: rng.choice(("FIPS", "NON_FIPS", "NON_FIPS", "non_fips", "", 5)),
        "backupRetentionPolicy": lambda: obj(type="DAYS", value=rng.choice(RETENTION)) if rng.random() < 0.95 else odd_value(rng),
        "neverExpires": lambda: rng.choice((True, False, True, False, "true", "false", None, 0)),
        "tagList": lambda: tag_list(rng) if rng.random() < 0.9 else odd_value(rng),
        "tagKeyList": lambda: [rng.choice(("Owner", "Name", "", "Zoë", 5, None)) for _ in range(rng.randrange(4))] if rng.random() < 0.9 else odd_value(rng),
        "hsmArn": lambda: texts(rng, resource_arns(rng)), "hapgArn": lambda: texts(rng, resource_arns(rng)), "clientArn": lambda: texts(rng, resource_arns(rng)),
        "policy": lambda: policy_text(rng), "sshKey": lambda: texts(rng, "ssh-rsa AAAA"), "iamRoleArn": lambda: texts(rng, "arn:aws:iam::111122223333:role/x"),
        "subscriptionType": lambda: texts(rng, "PRODUCTION"),
    }
    share = rng.choice((1, 0.75, 0.75, 0.4))
    shares = {member: share if member in own else unusual for member in members}
    if name == "PutResourcePolicy":
        shares["policy"] = 0.97
    return Pairs((member, make()) for member, make in members.items() if rng.random() < shares[member])


def response_elements(rng):
    some = lambda **members: obj(**{name: value for name, value in members.items() if rng.random() < 0.6})
    hsm = some(eniId="eni-65338b5a", clusterId=identifier(rng, "cluster"), state="CREATE_IN_PROGRESS", eniIp="10.0.2.7", hsmId=identifier(rng, "hsm"),
               subnetId=texts(rng, "subnet-02c28c4b"), availabilityZone="us-west-2b", hsmType=rng.choice(HSM_TYPES))
    cluster = some(clusterId=identifier(rng, "cluster"), hsms=rng.choice(([], [Pairs()], [hsm, hsm], [1, None], None, "x", Pairs(), 3)), hsmType=rng.choice(HSM_TYPES),
                   state=texts(rng, "UPDATE_IN_PROGRESS"), vpcId=texts(rng, "vpc-0a1b2c3d"), securityGroup=texts(rng, "sg-0a1b2c3d"), sourceBackupId=identifier(rng, "backup"),
                   mode=texts(rng, "FIPS"), preCoPassword="secret", certificates=Pairs())
    backup = some(backupId=identifier(rng, "backup"), backupState="PENDING_DELETION", clusterId=identifier(rng, "cluster"), hsmType=rng.choice(HSM_TYPES), mode=texts(rng, "NON_FIPS"),
                  sourceBackup=identifier(rng, "backup"), sourceCluster=texts(rng, "cluster-abc"), sourceRegion=texts(rng, "us-east-2"))
    copied = some(sourceRegion=texts(rng, "us-east-2"), sourceBackup=identifier(rng, "backup"), sourceCluster=texts(rng, "cluster-abc"), createTimestamp="Nov 15, 2022, 6:49:20 PM")
    return obj(hsm=maybe(rng, 0.3, hsm), cluster=maybe(rng, 0.4, cluster), backup=maybe(rng, 0.3, backup), destinationBackup=maybe(rng, 0.3, copied),
               hsmId=maybe(rng, 0.1, identifier(rng, "hsm")), state=maybe(rng, 0.1, texts(rng, "INITIALIZE_IN_PROGRESS")), hsmArn=maybe(rng, 0.06, texts(rng, resource_arns(rng))),
               hapgArn=maybe(rng, 0.06, texts(rng, resource_arns(rng))), clientArn=maybe(rng, 0.06, texts(rng, resource_arns(rng))))


# ---- records -------------------------------------------------------------------------------------------------

def plain_event(rng):
    """What a trail really holds."""
    name = rng.choice(list(CATALOGUE))
    role = rng.choice(("AdminRole", "Backup", "AWSReservedSSO_Ops_0123456789abcdef"))
    time = f"2024-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T{rng.randrange(1, 24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}Z"
    cluster, backup = "cluster-" + "".join(rng.choice("234567abcdef") for _ in range(11)), "backup-" + "".join(rng.choice("234567abcdef") for _ in range(11))
    denied = rng.random() < 0.15
    source = rng.choice(("cloudhsm.amazonaws.com",) * 4 + ("kms.amazonaws.com", "s3.amazonaws.com", "ec2.amazonaws.com"))
    return obj(
        eventVersion="1.08",
        userIdentity=obj(type="AssumedRole", principalId="AROAJZVM5NEGZSTCITAMM:ops", arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/ops", accountId=ACCOUNT,
                         accessKeyId="ASIAIY22AX6VRYNBGJSA",
                         sessionContext=obj(sessionIssuer=obj(type="Role", principalId="AROAJZVM5NEGZSTCITAMM", arn=f"arn:aws:iam::{ACCOUNT}:role/{role}", accountId=ACCOUNT, userName=role),
                                            attributes=obj(creationDate=time[:11] + "00:00:00Z", mfaAuthenticated=rng.choice(("true", "false"))))),
        eventTime=time, eventSource=source, eventName=name, awsRegion="us-east-1", sourceIPAddress=rng.choice(("198.51.100.7", "10.1.2.3", "203.0.113.9")),
        userAgent=rng.choice(("aws-cli/2.15.0 Python/3.11", "aws-sdk-go/1.41.4", "Mozilla/5.0 (X11; Linux x86_64)", "APN/1.0 HashiCorp/1.0 Terraform/1.6")),
        errorCode="CloudHsmAccessDeniedException" if denied else ABSENT, errorMessage="User is not authorized" if denied else ABSENT,
        requestParameters=None if name.startswith("List") else obj(clusterId=cluster, backupId=backup), responseElements=None,
        requestID="ef53d5d7-d422-4692-8f18-d8a1a9644543", eventID=f"{rng.randrange(16 ** 8):08x}-fe04-4fc5-9d12-03fb508dff1d", readOnly=CATALOGUE[name][1] == "read", eventType="AwsApiCall",
        managementEvent=True, recipientAccountId=ACCOUNT, eventCategory="Management", tlsDetails=obj(clientProvidedHostHeader="cloudhsmv2.us-east-1.amazonaws.com"))


NAMES = list(CATALOGUE)
INTERESTING = ["PutResourcePolicy", "PutResourcePolicy", "PutResourcePolicy", "CreateCluster", "CreateHsm", "DeleteHsm", "ModifyCluster", "ModifyBackupAttributes", "CopyBackupToRegion", "TagResource",
               "AddTagsToResource"]


def event_name(rng):
    roll = rng.random()
    if roll < 0.45:
        return rng.choice(NAMES)
    if roll < 0.8:
        return rng.choice(INTERESTING)
    if roll < 0.97:
        return rng.choice(UNKNOWN_NAMES)
    return rng.choice(("", None, 5, [], True, ABSENT))


def hard_event(rng):
    name = event_name(rng)
    source = rng.choice(EVENT_SOURCES) if rng.random() < 0.94 else rng.choice(OTHER_SOURCES)
    rp = request_parameters(rng, name if isinstance(name, str) else "") if rng.random() < 0.92 else rng.choice((None, Pairs(), odd_value(rng)))
    re_ = response_elements(rng) if rng.random() < 0.6 else rng.choice((None, ABSENT, odd_value(rng)))
    failed = rng.random() < 0.35
    event = obj(
        eventVersion="1.08",
        userIdentity=identity(rng) if rng.random() < 0.96 else rng.choice((None, ABSENT, Pairs(), odd_value(rng))),
        eventTime=maybe(rng, 0.97, any_time(rng)), eventSource=source, eventName=name, awsRegion=maybe(rng, 0.9, texts(rng, "us-east-1", "cn-north-1")),
        sourceIPAddress=maybe(rng, 0.96, rng.choice(SOURCE_ADDRESSES)), userAgent=maybe(rng, 0.9, rng.choice(USER_AGENTS)),
        errorCode=rng.choice(ERROR_CODES) if failed else maybe(rng, 0.05, rng.choice(("", None, 5, True))),
        errorMessage=maybe(rng, 0.7, rng.choice(("not authorized", "x"))) if failed else maybe(rng, 0.06, rng.choice(("", None, 5, "Failed authentication"))),
        requestParameters=rp, responseElements=re_, readOnly=maybe(rng, 0.7, rng.choice((True, False, True, False, "true", None, 0))),
        eventType=maybe(rng, 0.9, rng.choice(("AwsApiCall", "AwsApiCall", "AwsServiceEvent", "awsServiceEvent", "", 5))),
        recipientAccountId=maybe(rng, 0.9, rng.choice((ACCOUNT, ACCOUNT, ACCOUNT, OTHER_ACCOUNT, "", 5, "*"))),
        vpcEndpointId=maybe(rng, 0.15, rng.choice(("vpce-0a1b2c3d", "vpce-", "vpce", "AWS Internal", "", 5, "VPCE-1"))),
        tlsDetails=maybe(rng, 0.6, obj(tlsVersion="TLSv1.2", clientProvidedHostHeader=rng.choice(("cloudhsmv2.us-east-1.amazonaws.com", "cloudhsm.us-east-1.amazonaws.com", "cloudhsm", "cloudhsmv2",
                                                                                                  "CloudHSM.us-east-1.amazonaws.com", "", 5, "cloudhsmv2.", "cloudhsm.")))),
        sessionCredentialFromConsole=maybe(rng, 0.12, mixed_case_bool(rng)))
    if rng.random() < 0.05:
        event.append(("insightDetails", rng.choice((None, Pairs(), obj(state="Start", eventSource=texts(rng, "cloudhsm.amazonaws.com", "kms.amazonaws.com"), eventName=rng.choice(NAMES),
                                                                      errorCode=maybe(rng, 0.4, rng.choice(ERROR_CODES)))))))
        if rng.random() < 0.7:
            event = Pairs(pair for pair in event if pair[0] != "eventSource")
    if rng.random() < 0.04:
        event.append(("cloudhsm", rng.choice((None, Pairs(), 1, "x", obj(version=1)))))
    return event


def containers(value, found):
    if isinstance(value, Pairs):
        found.append(value)
        for _, item in value:
            containers(item, found)
    elif isinstance(value, list):
        for item in value:
            containers(item, found)
    return found


def bend(rng, event):
    """A few wrong types, missing members, duplicates and odd texts, anywhere in the tree."""
    for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
        target = rng.choice(containers(event, []))
        if not target:
            continue
        place = rng.randrange(len(target))
        name, value = target[place]
        roll = rng.randrange(7)
        if roll == 0:
            target[place] = (name, odd_value(rng))
        elif roll == 1:
            del target[place]
        elif roll == 2:
            target.insert(rng.randrange(len(target) + 1), (name, odd_value(rng)))
        elif roll == 3:
            target.insert(rng.randrange(len(target) + 1), (name, rng.choice(target)[1]))
        elif roll == 4 and isinstance(value, str) and not isinstance(value, Raw):
            target[place] = (name, rng.choice((value + rng.choice(ODD_TEXTS), rng.choice(ODD_TEXTS) + value, rng.choice(ODD_TEXTS))))
        elif roll == 5:
            target[place] = (rng.choice((name.upper(), name + " ", name.capitalize(), name + "\u0000", "cloudhsm", "Records")), value)
        else:
            target.insert(rng.randrange(len(target) + 1), (rng.choice(ODD_TEXTS), odd_value(rng)))


def other_record(rng):
    """A valid record that is no CloudHSM event and perhaps no event at all."""
    return rng.choice((
        Pairs(), obj(a=1), obj(eventVersion="1.08", eventSource="s3.amazonaws.com", eventName="GetObject"), obj(message="cloudhsm.amazonaws.com"),
        obj(detail=obj(source="cloudhsm.amazonaws.com", eventName="DeleteHsm")), obj(Records=Pairs()), obj(x=odd_value(rng)), obj(eventSource="x", Records=[]),
        obj(cloudhsm=obj(version=1), eventSource="cloudhsm.amazonaws.com"), obj(eventVersion="1", Records=[Pairs()])))


def is_document(event):
    """Whether the reader would take this object for a document of records instead of a record."""
    for name, value in event:
        if name in ("eventSource", "eventVersion"):
            return False
        if name == "Records":
            return True
    return False


def record(rng):
    """The text of one record, as one line."""
    roll = rng.random()
    if roll < 0.25:
        event, writer = plain_event(rng), Writer(rng, 0, rng.choice((0, 0, 1)))
    elif roll < 0.3:
        event, writer = other_record(rng), Writer(rng, rng.choice((0, 0.2)), 0.2)
    else:
        event = hard_event(rng)
        bend(rng, event)
        writer = Writer(rng, rng.choice((0, 0, 0, 0.02, 0.3, 1)), rng.choice((0, 0, 0.3, 1)))
        if rng.random() < 0.04:
            event.append(("deep", nested(rng, rng.choice((1, 5, 126, 127)))))
    if rng.random() < 0.3:
        rng.shuffle(event)
    if is_document(event):
        event = Pairs([("eventVersion", "1.08")] + event)
    return writer.write(event)


def records(seed, count):
    """The records' bytes, each one line without its line feed."""
    rng = random.Random(seed)
    for _ in range(count):
        yield record(rng).encode("utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    for line in records(options.seed, options.count):
        sys.stdout.buffer.write(line + b"\n")


if __name__ == "__main__":
    main()
