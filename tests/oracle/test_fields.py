"""Checks the oracle itself: one row a rule of fields.md."""

import json
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import damage  # noqa: E402
import fields  # noqa: E402
import generate  # noqa: E402

SHARED = Path(__file__).resolve().parents[3] / "shared"
ME, OTHER = "111122223333", "444455556666"
V2 = {"clientProvidedHostHeader": "cloudhsmv2.us-east-1.amazonaws.com"}
CLASSIC = {"clientProvidedHostHeader": "cloudhsm.us-east-1.amazonaws.com"}
ABSENT = "(absent)"


def added(name="DescribeClusters", rp=None, re_=None, ui=None, **members):
    """The object for an event made of these parts."""
    event = {"eventSource": "cloudhsm.amazonaws.com", "eventName": name, "requestParameters": rp, "responseElements": re_,
             "userIdentity": ui, **members}
    text = fields.enrich(fields.decode(json.dumps(event)))
    return None if text is None else json.loads(text)


def look(value, path):
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return ABSENT
        value = value[name]
    return value


class Table(unittest.TestCase):
    def rows(self, path, rows):
        for arguments, expected in rows:
            with self.subTest(path=path, event=arguments):
                self.assertEqual(look(added(**arguments), path), expected)


class Top(Table):
    def test_which_events(self):
        for source, taken in [("cloudhsm.amazonaws.com", True), ("cloudhsmv2.amazonaws.com", True), ("cloudhsm.amazonaws.com.cn", True),
                              ("cloudhsmv2.amazonaws.com.cn", True), ("cloudhsm.amazonaws.com.evil", False), ("CloudHSM.amazonaws.com", False),
                              ("kms.amazonaws.com", False), ("", False), (None, False), (["cloudhsm.amazonaws.com"], False)]:
            with self.subTest(source=source):
                self.assertEqual(added(eventSource=source) is not None, taken)
        for value in (None, 1, {}, {"version": 1}):
            self.assertIsNone(added(cloudhsm=value))
        self.assertIsNotNone(added(rp={"cloudhsm": 1}))
        self.assertIsNone(fields.enrich([]))

    def test_operation_and_known(self):
        self.rows("operation", [({}, "DescribeClusters"), ({"name": "Nope"}, "Nope"), ({"name": ""}, ABSENT), ({"name": 5}, ABSENT)])
        self.rows("known", [({}, True), ({"name": "describeclusters"}, False), ({"name": None}, False)])
        generations = [row[0] for row in fields.CATALOGUE.values()]
        self.assertEqual((generations.count("v2") + 2, generations.count("classic") + 2, generations.count("both")), (18, 20, 2))

    def test_api(self):
        self.rows("api", [
            ({}, "v2"), ({"name": "ListHsms", "tlsDetails": V2}, "classic"), ({"name": "CreateHsm", "rp": {"clusterId": "x"}, "tlsDetails": CLASSIC}, "v2"),
            ({"name": "CreateHsm", "rp": {"clusterId": "x", "sshKey": "y"}}, "v2"), ({"name": "CreateHsm", "rp": {"clusterId": None, "sshKey": "y"}}, "classic"),
            ({"name": "DeleteHsm", "rp": {"hsmArn": "x"}}, "classic"), ({"name": "CreateHsm", "rp": {"iamRoleArn": ""}}, "classic"),
            ({"name": "CreateHsm", "rp": {"subscriptionType": 5}}, "classic"), ({"name": "CreateHsm", "tlsDetails": CLASSIC}, "classic"),
            ({"name": "DeleteHsm", "tlsDetails": V2}, "v2"), ({"name": "DeleteHsm"}, "unknown"), ({"name": "New", "tlsDetails": V2}, "v2"),
            ({"name": None, "tlsDetails": CLASSIC}, "classic"), ({"name": "New", "tlsDetails": {"clientProvidedHostHeader": "cloudhsm"}}, "unknown")])

    def test_access(self):
        self.rows("access", [({}, "read"), ({"name": "DeleteHsm", "readOnly": True}, "write"), ({"name": "GetNew", "readOnly": False}, "write"),
                             ({"name": "DeleteNew", "readOnly": True}, "read"), ({"name": "GetNew"}, "read"), ({"name": "New", "readOnly": "true"}, "write")])

    def test_action(self):
        for names, action in [
                ("CopyBackupToRegion CopyX", "copy"), ("CreateCluster CreateHsm CreateHapg CreateLunaClient CreateX", "create"),
                ("DeleteBackup DeleteCluster DeleteHsm DeleteHapg DeleteLunaClient DeleteX", "delete"), ("DeleteResourcePolicy", "unshare"),
                ("DescribeHsm ListTags GetConfig DescribeX ListX GetX Listen", "read"), ("InitializeCluster", "initialize"),
                ("ModifyBackupAttributes ModifyCluster ModifyHapg ModifyHsm ModifyLunaClient ModifyX UpdateX PutX", "modify"), ("PutResourcePolicy", "share"),
                ("RestoreBackup RestoreX", "restore"), ("TagResource AddTagsToResource TagX AddTagsX", "tag"),
                ("UntagResource RemoveTagsFromResource UntagX RemoveTagsX", "untag"), ("RebootX describeX UnTagX AddTag InitializeX", "other")]:
            self.rows("action", [({"name": name}, action) for name in names.split()])
        self.rows("action", [({"name": None}, "other")])

    def test_resource_type(self):
        self.rows("resource_type", [
            ({}, "cluster"), ({"name": "PutResourcePolicy"}, "resource_policy"), ({"name": "GetConfig"}, "luna_client"), ({"name": "ListAvailableZones"}, "region"),
            ({"name": "ListTags", "rp": {"resourceId": "backup-a"}}, "backup"), ({"name": "TagResource", "rp": {"resourceId": "cluster-a"}}, "cluster"),
            ({"name": "AddTagsToResource", "rp": {"resourceArn": "arn:aws:cloudhsm:r:1:hsm-1a"}}, "hsm"), ({"name": "TagResource", "rp": {"resourceId": "hapg-1"}}, "hapg"),
            ({"name": "TagResource", "rp": {"resourceId": "client-1"}}, "luna_client"), ({"name": "TagResource", "rp": {"resourceId": "x"}}, "tag"),
            ({"name": "TagX", "rp": {"resourceId": "cluster-a"}}, ABSENT)])

    def test_destructive(self):
        self.rows("destructive", [({}, False), ({"name": "DeleteHapg"}, True), ({"name": "DeleteResourcePolicy"}, False), ({"name": "DeleteX"}, True), ({"name": "X"}, False)])

    def test_outcome(self):
        rows = [({}, "success"), ({"errorCode": "", "errorMessage": ""}, "success"), ({"errorCode": 5}, "success"), ({"errorMessage": "no"}, "failure")]
        for code, outcome in [("AccessDenied", "denied"), ("cloudhsmACCESSDENIEDexception", "denied"), ("Client.UnauthorizedOperation", "denied"), ("NotAuthorized", "denied"),
                              ("UnrecognizedClientException", "unauthenticated"), ("InvalidClientTokenId", "unauthenticated"), ("ExpiredToken", "unauthenticated"),
                              ("SignatureDoesNotMatch", "unauthenticated"), ("MissingAuthenticationToken", "unauthenticated"), ("AuthFailure", "unauthenticated"),
                              ("Throttling", "throttled"), ("TooManyRequests", "throttled"), ("RequestLimitExceeded", "throttled"), ("XNotFound", "not_found"),
                              ("CloudHsmResourceLimitExceededException", "limit_exceeded"), ("InvalidX", "invalid"), ("Validation", "invalid"), ("MalformedX", "invalid"),
                              ("InternalX", "service_error"), ("ServiceUnavailable", "service_error"), ("X", "failure"), ("InternalAccessDenied", "denied"),
                              ("InvalidNotFound", "not_found"), ("Acce\u017fsDenied", "failure")]:
            rows.append(({"errorCode": code}, outcome))
        self.rows("outcome", rows)
        self.rows("error_code", [({"errorCode": "X"}, "X"), ({"errorCode": ""}, ABSENT), ({"errorCode": 5}, ABSENT)])

    def test_time(self):
        for text, millis in [
                ("1970-01-01T00:00:00Z", 0), ("2017-07-11T03:50:45Z", 1499745045000), ("20131102T010628Z", 1383354388000), ("1970-01-01t00:00:01z", 1000),
                ("1970-01-01 00:00:01", 1000), ("1970-01-01T00:00:00.0019", 1), ("1969-12-31T23:59:59.9999Z", -1), ("1970-01-01T01:00:00+01:00", 0), ("1970-01-01T00:00:00-0130", 5400000),
                ("0001-01-01T00:00:00Z", -62135596800000), ("9999-12-31T23:59:59.999Z", 253402300799999), ("2024-02-29T00:00:00Z", 1709164800000),
                ("0001-01-01T00:00:00+00:01", ABSENT), ("9999-12-31T23:59:59-00:01", ABSENT), ("0000-12-31T23:59:59-00:01", ABSENT), ("2023-02-29T00:00:00Z", ABSENT),
                ("2022-11-15T24:00:00Z", ABSENT), ("2022-11-15T23:59:60Z", ABSENT), ("2022-11-15T00:00:00.Z", ABSENT), ("2022-11-15T00:00:00+24:00", ABSENT),
                ("2022-11-15T00:00:00+05", ABSENT), ("2022-11-15T00:00:00+00:60", ABSENT), (" 2022-11-15T00:00:00Z", ABSENT), ("2022-11-15T00:00:00Z\n", ABSENT), ("2022-11-15", ABSENT),
                ("20131102T010628", ABSENT), ("20131102t010628z", ABSENT), ("２022-11-15T00:00:00Z", ABSENT), (5, ABSENT), ("1970-01-01T00:00:00." + "0" * 5000 + "Z", 0)]:
            self.rows("time_ms", [({"eventTime": text}, millis)])

    def test_rfc3339_is_the_inverse(self):
        for seconds in list(range(-62135596800, 253402300800, 86399 * 997)) + [-62135596800, 253402300799, -1, 0]:
            self.assertEqual(fields.seconds_of(fields.rfc3339(seconds)), seconds)


def session(**attributes):
    return {"sessionContext": {"attributes": attributes}}


def issuer(**members):
    return {"sessionContext": {"sessionIssuer": members}}


class Actor(Table):
    def ui(self, path, rows):
        self.rows("actor." + path, [({"ui": ui}, expected) for ui, expected in rows])

    def test_kind(self):
        self.ui("kind", [({"type": name}, kind) for name, kind in fields.KIND_BY_TYPE.items()])
        self.ui("kind", [({"type": "root"}, "unknown"), ({"type": "Unknown", "invokedBy": "x"}, "unknown"), ({}, "unknown"), (None, "unknown"), ({"invokedBy": "x"}, "aws_service"),
                         ({"type": 5, "invokedBy": "x"}, "aws_service"), ({"type": "", "invokedBy": "x"}, "aws_service"), ({"invokedBy": ""}, "unknown")])
        self.rows("actor.kind", [({"eventType": "AwsServiceEvent"}, "aws_service"), ({"ui": {"type": "IAMUser"}, "eventType": "AwsServiceEvent"}, "iam_user")])

    def test_credential(self):
        created = session(creationDate="2022-11-15T18:17:16Z")
        self.ui("credential", [
            ({"type": "AWSService", "accessKeyId": "AKIA1"}, "none"), ({"type": "IAMUser", "accessKeyId": "ASIA1"}, "temporary"), ({"type": "AssumedRole", "accessKeyId": "AKIA1"}, "long_term"),
            ({"type": "AssumedRole"}, "temporary"), ({"type": "FederatedUser", "accessKeyId": "x"}, "temporary"), ({"type": "IdentityCenterUser"}, "temporary"), ({"type": "SAMLUser"}, "none"),
            ({"type": "WebIdentityUser"}, "none"), ({"type": "Root", **created}, "temporary"), ({"type": "IAMUser", **created}, "temporary"), ({"type": "Role", **created}, "unknown"),
            ({"type": "Root", **session(creationDate="yesterday")}, "temporary"), ({"type": "Root", **session(creationDate="")}, "unknown"), ({"type": "Root", **session(creationDate=5)}, "unknown"),
            ({"type": "Root"}, "unknown"), ({"type": "AWSAccount", "principalId": "AROA1:x"}, "temporary"),
            ({"type": "AWSAccount", "principalId": "AIDA1"}, "unknown"), ({"type": "IAMUser", "principalId": "AROA1"}, "unknown"), (None, "unknown")])

    def test_by_service(self):
        self.rows("actor.by_service", [
            ({}, False), ({"ui": {"type": "AWSService"}}, True), ({"ui": {"type": "IAMUser", "invokedBy": "x"}}, True), ({"sourceIPAddress": "AWS Internal/#"}, True),
            ({"sourceIPAddress": "kms.amazonaws.com"}, True), ({"sourceIPAddress": "kms.amazonaws.com.cn"}, True), ({"sourceIPAddress": "1.2.3.4"}, False)])
        self.rows("actor.service", [
            ({"ui": {"type": "AWSService", "invokedBy": "a"}, "sourceIPAddress": "b"}, "a"), ({"sourceIPAddress": "AWS Internal"}, "AWS Internal"),
            ({"ui": {"type": "AWSService"}, "sourceIPAddress": "1.2.3.4"}, "1.2.3.4"), ({"sourceIPAddress": "1.2.3.4"}, ABSENT)])

    def test_name(self):
        arn = {"arn": "arn:aws:sts::1:assumed-role/R/S/T"}
        self.ui("name", [
            ({"type": "AssumedRole", **arn, **issuer(userName="I")}, "I"), ({"type": "AssumedRole", **arn, "userName": "U"}, "R"), ({"type": "AssumedRole", "userName": "U"}, ABSENT),
            ({"type": "FederatedUser", "arn": "arn:aws:sts::1:federated-user/a/b", "userName": "U"}, "a/b"), ({"type": "FederatedUser", "principalId": "1:x:y"}, "x:y"),
            ({"type": "Root"}, "root"), ({"type": "Root", "userName": "alias"}, "alias"), ({"type": "AWSService", "invokedBy": "s"}, "s"),
            ({"type": "IdentityCenterUser", "userName": "U", "onBehalfOf": {"userId": "o"}}, "o"), ({"type": "AWSAccount", "accountId": "1", "userName": "U"}, "1"),
            ({"type": "IAMUser", "userName": "U", "arn": "x/y"}, "U"), ({"type": "IAMUser", "userName": "", "arn": "arn:aws:iam::1:user/p/n"}, "n"),
            ({"type": "IAMUser", "arn": "noslash"}, ABSENT), ({"type": "SAMLUser", "userName": "s"}, "s"), ({"userName": "u"}, "u")])
        self.ui("session_name", [
            ({"type": "AssumedRole", **arn}, "S/T"), ({"type": "AssumedRole", "principalId": "A:b:c"}, "b:c"), ({"type": "AssumedRole", "principalId": "A"}, ABSENT),
            ({"type": "IAMUser", **arn}, ABSENT), ({"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/R", "principalId": "A:s"}, "s")])

    def test_members(self):
        self.ui("arn", [({"arn": "a"}, "a"), ({"arn": ""}, ABSENT)])
        self.ui("account_id", [({"accountId": "1"}, "1"), ({"accountId": 1}, ABSENT)])
        self.ui("issuer_arn", [(issuer(arn="a"), "a")])
        self.ui("issuer_kind", [({"type": "FederatedUser", **issuer(type="Root")}, "root"), ({"type": "FederatedUser", **issuer(type="IAMUser")}, "iam_user"),
                                ({"type": "FederatedUser", **issuer(type="Role")}, ABSENT), ({"type": "AssumedRole", **issuer(type="Root")}, ABSENT)])
        sso = "AWSReservedSSO_My_Set_0123456789abcdef"
        self.ui("permission_set", [({"type": "AssumedRole", **issuer(userName=sso)}, "My_Set"), ({"type": "AssumedRole", **issuer(userName=sso + "0")}, ABSENT),
                                   ({"type": "AssumedRole", "arn": f"arn:aws:sts::1:assumed-role/{sso}/s"}, "My_Set"), ({"type": "IAMUser", "userName": sso}, ABSENT),
                                   ({"type": "AssumedRole", **issuer(userName="AWSReservedSSO_0123456789abcdef")}, ABSENT)])
        self.ui("service_linked", [(issuer(arn="a:role/aws-service-role/x"), True), ({"type": "AssumedRole", **issuer(userName="AWSServiceRoleForX")}, True),
                                   ({"type": "IAMUser", "userName": "AWSServiceRoleForX"}, ABSENT)])
        for name, expected in [("i-01234567", True), ("i-0123456789abcdef0", True), ("i-0123456", False), ("i-0123456789abcdef01", False), ("i-ABCDEF01", False), ("xi-01234567", False)]:
            self.ui("instance_id", [({"type": "AssumedRole", "principalId": "A:" + name}, name if expected else ABSENT)])
        self.ui("on_behalf_of", [({"type": "IAMUser", "onBehalfOf": {"userId": "o"}}, "o")])
        self.ui("identity_provider", [({"identityProvider": "p", "sessionContext": {"webIdFederationData": {"federatedProvider": "q"}}}, "p"),
                                      ({"sessionContext": {"webIdFederationData": {"federatedProvider": "q"}}}, "q")])
        self.ui("mfa", [(session(mfaAuthenticated="true"), True), (session(mfaAuthenticated=False), False), (session(mfaAuthenticated="True"), ABSENT), (session(mfaAuthenticated=1), ABSENT)])
        self.rows("actor.console", [({"sessionCredentialFromConsole": "true"}, True), ({"sessionCredentialFromConsole": True}, True), ({"sessionCredentialFromConsole": "false"}, ABSENT)])

    def test_session_times(self):
        self.ui("session_started", [(session(creationDate="2022-11-15T18:17:16.9+01:00"), "2022-11-15T17:17:16Z"), (session(creationDate="20131102T010628Z"), "2013-11-02T01:06:28Z"),
                                    (session(creationDate="x"), ABSENT)])
        for started, age in [("2022-11-15T18:00:00Z", 1), ("2022-11-15T18:00:00.4Z", 1), ("2022-11-15T18:00:00.6Z", 0), ("2022-11-15T18:00:01.5Z", 0), ("2022-11-15T18:00:01.500001Z", ABSENT)]:
            self.rows("actor.session_age_seconds", [({"eventTime": "2022-11-15T18:00:01.5Z", "ui": session(creationDate=started)}, age)])

    def test_cross_account(self):
        self.rows("actor.cross_account", [
            ({"ui": {"accountId": ME}, "recipientAccountId": ME}, False), ({"ui": {"accountId": OTHER}, "recipientAccountId": ME}, True), ({"ui": {"accountId": OTHER}}, ABSENT),
            ({"recipientAccountId": ME}, ABSENT), ({"ui": {"type": "IdentityCenterUser", "accountId": OTHER}, "recipientAccountId": ME}, ABSENT)])


class Origin(Table):
    def test_kind_and_ip(self):
        for address, kind in [
                ("9.255.255.255", "public"), ("10.0.0.0", "private"), ("10.255.255.255", "private"), ("11.0.0.0", "public"), ("172.15.255.255", "public"), ("172.16.0.0", "private"),
                ("172.31.255.255", "private"), ("172.32.0.0", "public"), ("192.168.0.0", "private"), ("192.169.0.0", "public"), ("100.63.255.255", "public"), ("100.64.0.0", "private"),
                ("100.127.255.255", "private"), ("100.128.0.0", "public"), ("127.0.0.1", "private"), ("128.0.0.0", "public"), ("169.254.0.0", "private"), ("169.255.0.0", "public"),
                ("fbff::", "public"), ("fc00::", "private"), ("fdff::1", "private"), ("fe00::", "public"), ("fe7f::", "public"), ("FE80::1", "private"), ("febf::", "private"), ("fec0::", "public"),
                ("::1", "private"), ("::", "public"), ("::2", "public"), ("::ffff:10.0.0.1", "public"), ("2001:db8::1", "public"), ("1:2:3:4:5:6:7:8", "public"), ("1:2:3:4:5:6:7::", "public")]:
            self.rows("origin", [({"sourceIPAddress": address}, {"kind": kind, "ip": address})])
        for address, kind in [("AWS Internal", "aws_internal"), ("AWS Internal/#", "aws_internal"), ("kms.amazonaws.com", "aws_service"), ("kms.amazonaws.com.cn", "aws_service"), ("x", "unknown"),
                              ("010.0.0.1", "unknown"), ("256.0.0.1", "unknown"), ("1.2.3", "unknown"), ("fe80::1%eth0", "unknown"), ("1:2:3:4::5:6:7:8", "unknown"), ("1::2::3", "unknown"),
                              ("1:2:3:4:5:6:7:1.2.3.4", "unknown"), ("1.2.3.4::", "unknown"), ("::12345", "unknown"), ("", "unknown"), (5, "unknown")]:
            self.rows("origin", [({"sourceIPAddress": address}, {"kind": kind})])

    def test_endpoint(self):
        self.rows("origin.vpc_endpoint_id", [({"vpcEndpointId": "vpce-1"}, "vpce-1"), ({"vpcEndpointId": "AWS Internal"}, ABSENT)])

    def test_client(self):
        self.rows("origin.client", [({"userAgent": agent}, client) for agent, client in [
            ("console.amazonaws.com", "console"), ("signin.amazonaws.com", "console"), ("[S3Console/0.4]", "console"), ("aws-cli/2 Terraform/1", "terraform"), ("OpenTofu/1 Pulumi", "opentofu"),
            ("x Pulumi", "pulumi"), ("cloudformation.amazonaws.com", "cloudformation"), ("[cloudformation.amazonaws.com", "aws_service"), ("aws-cli/2", "aws_cli"), ("[aws-cli/1]", "aws_cli"),
            ("Boto3/1", "aws_sdk"), ("Botocore/1", "aws_sdk"), ("[aws-sdk-go/1", "aws_sdk"), ("aws-internal/3", "aws_internal"), ("AWS Internal", "aws_internal"), ("kms.amazonaws.com", "aws_service"),
            ("[kms.amazonaws.com]", "other"), ("Mozilla/5", "browser"), ("[[aws-cli/1", "other"), ("boto3/1", "other"), ("[", ABSENT), ("", ABSENT), (5, ABSENT)]])
        self.rows("origin.client", [({"userAgent": "aws-cli/2", "sessionCredentialFromConsole": "true"}, "console"), ({"sessionCredentialFromConsole": True}, "console"), ({}, ABSENT)])


class Resource(Table):
    def test_alternatives_in_order(self):
        for key, places in {
                "cluster_id": ["rp.clusterId", "re.hsm.clusterId", "re.cluster.clusterId", "re.backup.clusterId"], "hsm_id": ["rp.hsmId", "re.hsm.hsmId", "re.hsmId"],
                "backup_id": ["rp.backupId", "re.backup.backupId"], "source_backup_id": ["rp.sourceBackupId", "re.cluster.sourceBackupId", "re.backup.sourceBackup", "re.destinationBackup.sourceBackup"],
                "source_cluster_id": ["re.destinationBackup.sourceCluster", "re.backup.sourceCluster"], "source_region": ["re.destinationBackup.sourceRegion", "re.backup.sourceRegion"],
                "destination_region": ["rp.destinationRegion"], "availability_zone": ["rp.availabilityZone", "re.hsm.availabilityZone"], "vpc_id": ["re.cluster.vpcId"],
                "security_group": ["re.cluster.securityGroup"], "eni_id": ["rp.eniId", "re.hsm.eniId"], "eni_ip": ["rp.eniIp", "re.hsm.eniIp"],
                "hsm_type": ["rp.hsmType", "re.hsm.hsmType", "re.cluster.hsmType", "re.backup.hsmType"], "mode": ["rp.mode", "re.cluster.mode", "re.backup.mode"],
                "state": ["re.hsm.state", "re.cluster.state", "re.backup.backupState", "re.state"],
                "arn": ["rp.resourceArn", "rp.hsmArn", "rp.hapgArn", "rp.clientArn", "re.hsmArn", "re.hapgArn", "re.clientArn"]}.items():
            for gone in range(len(places) + 1):
                parts = {"rp": {}, "re": {}}
                for number, place in enumerate(places):
                    *way, last = place.split(".")
                    target = parts
                    for name in way:
                        target = target.setdefault(name, {})
                    target[last] = ("" if gone % 2 else 5) if number < gone else f"backup-{number}"
                with self.subTest(key=key, gone=gone):
                    expected = f"backup-{gone}" if gone < len(places) else ABSENT
                    if key == "arn" or gone < len(places):
                        self.assertEqual(look(added(rp=parts["rp"], re_=parts["re"]), "resource." + key), expected)

    def test_ids_in_texts(self):
        self.rows("resource.cluster_id", [({"rp": {"resourceId": "backup-1", "resourceArn": "x:cluster/cluster-2b/y"}}, "cluster-2b"), ({"rp": {"resourceId": "xcluster-1 cluster-2"}}, "cluster-2"),
                                          ({"rp": {"resourceId": "a-cluster-1"}}, ABSENT), ({"rp": {"resourceId": "cluster- cluster-é cluster-zé"}}, "cluster-z")])
        self.rows("resource.backup_id", [({"rp": {"resourceArn": "arn:aws:cloudhsm:r:1:backup/backup-2"}}, "backup-2")])
        self.rows("resource.source_backup_id", [({"rp": {"sourceBackupId": "arn:aws:cloudhsm:r:1:backup/backup-2"}}, "backup-2"), ({"rp": {"sourceBackupId": "x"}, "re_": {"cluster": {"sourceBackupId": "whole"}}}, "whole")])

    def test_source_backup_account(self):
        self.rows("resource.source_backup_account", [({"rp": {"sourceBackupId": text}}, account) for text, account in [
            (f"arn:aws:cloudhsm:r:{OTHER}:backup/backup-1", OTHER), ("arn:aws-cn:x:r:444455556666:y", OTHER), ("arn:aws:cloudhsm:r::backup/b", ABSENT), ("backup-1", ABSENT), ("arn:aws:cloudhsm:r:44445555666:b", ABSENT)]])

    def test_regions(self):
        self.rows("resource.source_region", [({"name": "CopyBackupToRegion", "awsRegion": "r"}, "r"), ({"awsRegion": "r"}, ABSENT),
                                             ({"name": "CopyBackupToRegion", "awsRegion": "r", "re_": {"destinationBackup": {"sourceRegion": "s"}}}, "s")])

    def test_lists(self):
        hsm = {"hsm": {"subnetId": "h"}}
        self.rows("resource.subnet_ids", [({"rp": {"subnetIds": ["a", 1, "b", "a"]}, "re_": hsm}, ["a", "b", "a"]), ({"rp": {"subnetIds": [1, ""], "subnetId": "c"}, "re_": hsm}, ["h"]),
                                          ({"rp": {"subnetIds": "a", "subnetId": "c"}}, ["c"]), ({}, ABSENT)])
        self.rows("resource.tag_keys", [({"rp": {"tagList": [{"key": "a"}, {"key": 1}, "x", {"key": "b"}], "tagKeyList": ["c"]}}, ["a", "b"]), ({"rp": {"tagList": [{}], "tagKeyList": ["c", None]}}, ["c"])])
        self.rows("resource.hsm_count", [({"re_": {"cluster": {"hsms": []}}}, 0), ({"re_": {"cluster": {"hsms": [{}, {}]}}}, 2), ({"re_": {"cluster": {"hsms": {}}}}, ABSENT)])

    def test_retention(self):
        self.rows("resource.retention_days", [({"rp": {"backupRetentionPolicy": {"value": text}}}, days) for text, days in [
            ("90", 90), ("007", 7), ("999999999", 999999999), ("1234567890", ABSENT), ("", ABSENT), ("+7", ABSENT), ("7.0", ABSENT), ("٧", ABSENT), (90, ABSENT)]])
        self.rows("resource.never_expires", [({"rp": {"neverExpires": False}}, False), ({"rp": {"neverExpires": "true"}}, ABSENT)])

    def test_shared_with(self):
        def policy(**statement):
            return json.dumps({"Statement": [{"Effect": "Allow", **statement}]})
        deep = lambda levels: '{"Statement":[{"Effect":"Allow","Principal":"*"}],"x":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"
        for text, names in [
                (policy(Principal="*"), ["*"]), (policy(Principal=OTHER), [OTHER]), (policy(Principal={"AWS": "*"}), ["*"]),
                (policy(Principal={"AWS": [f"arn:aws:iam::{OTHER}:root", ME, f"arn:aws-cn:iam::{OTHER}:user/x"], "Service": "b.amazonaws.com"}), [ME, OTHER, "b.amazonaws.com"]),
                (policy(Principal={"AWS": ["AIDAX", 5, "", "arn:aws:iam::cloudfront:user/x", "arn:aws:iam::*:root"]}), ["AIDAX", "arn:aws:iam::*:root", "arn:aws:iam::cloudfront:user/x"]),
                (policy(NotPrincipal={"AWS": ME}), ["*"]), (policy(NotPrincipal=None), ABSENT), (policy(NotPrincipal="x", Principal=ME), ["*", ME]), (policy(Effect="Deny", Principal="*"), ABSENT),
                (policy(Effect="allow", Principal="*"), ABSENT), (policy(Principal=["a"]), ABSENT), ('{"Statement":{"Effect":"Allow","Principal":"x"}}', ["x"]),
                ('{"Statement":[],"Statement":[{"Effect":"Deny","Effect":"Allow","Principal":"z"}]}', ["z"]), ('{"Statement":[5,{"Effect":"Allow","Principal":"\\ud800"}]}', ["\ufffd"]),
                ('{"Statement":[{"Effect":"Allow","Principal":"*"}]} x', ABSENT), ("\ufeff" + policy(Principal="*"), ABSENT), (deep(128), ["*"]), (deep(129), ABSENT), (None, ABSENT), ({"Statement": []}, ABSENT)]:
            self.rows("resource.shared_with", [({"name": "PutResourcePolicy", "rp": {"policy": text}}, names)])
        self.rows("resource.shared_with", [({"name": "GetResourcePolicy", "rp": {"policy": policy(Principal="*")}}, ABSENT)])


class Severity(unittest.TestCase):
    def check(self, step, reasons, attack, **event):
        got = added(**event)
        with self.subTest(event=event):
            self.assertEqual((got["severity"], got.get("reasons", []), got.get("attack", [])), (step, reasons.split(), attack.split()))

    def test_success(self):
        check = self.check
        check("informational", "", "")
        check("high", "backup_deleted", "T1490 T1485", name="DeleteBackup")
        check("high", "hsm_deleted", "T1485 T1489", name="DeleteHsm")
        check("high", "hsm_deleted classic_change", "T1485 T1489", name="DeleteHsm", rp={"hsmArn": "x"})
        check("critical", "cluster_deleted", "T1485", name="DeleteCluster")
        check("high", "backup_copied_to_region", "T1537", name="CopyBackupToRegion")
        check("low", "backup_unshared", "", name="DeleteResourcePolicy")
        check("low", "backup_restored", "", name="RestoreBackup")
        check("medium", "backup_retention_removed", "T1490", name="ModifyBackupAttributes", rp={"neverExpires": False})
        check("informational", "backup_retained", "", name="ModifyBackupAttributes", rp={"neverExpires": True})
        check("low", "write_call", "", name="ModifyBackupAttributes")
        check("high", "retention_below_30_days", "T1490", name="ModifyCluster", rp={"backupRetentionPolicy": {"value": "29"}})
        check("medium", "retention_changed", "T1490", name="ModifyCluster", rp={"backupRetentionPolicy": {"value": "30"}})
        check("medium", "retention_changed hsm_type_changed", "T1490 T1578.005", name="ModifyCluster", rp={"backupRetentionPolicy": {"value": "90"}, "hsmType": "h"})
        check("low", "write_call", "", name="ModifyCluster", re_={"cluster": {"hsmType": "h"}})
        check("medium", "cluster_initialized", "T1098", name="InitializeCluster")
        check("low", "cluster_created", "T1578.002", name="CreateCluster")
        check("medium", "cluster_created cluster_created_from_backup non_fips_mode", "T1578.002", name="CreateCluster", rp={"sourceBackupId": "backup-1", "mode": "NON_FIPS"})
        foreign = f"arn:aws:cloudhsm:r:{OTHER}:backup/backup-1"
        check("high", "cluster_created cluster_created_from_backup cluster_created_from_foreign_backup", "T1578.002", name="CreateCluster", rp={"sourceBackupId": foreign}, recipientAccountId=ME)
        check("medium", "cluster_created cluster_created_from_backup", "T1578.002", name="CreateCluster", rp={"sourceBackupId": foreign})
        check("high", "cluster_created cluster_created_from_foreign_backup", "T1578.002", name="CreateCluster", rp={"sourceBackupId": f"arn:aws:cloudhsm:r:{OTHER}:x"}, recipientAccountId=ME)
        check("low", "hsm_created", "T1578.002", name="CreateHsm")
        check("high", "destructive_call classic_change", "T1485", name="DeleteHapg")
        check("high", "destructive_call unknown_operation", "T1485", name="DeleteX")
        check("low", "tags_changed", "", name="TagResource")
        check("medium", "tags_changed classic_change", "", name="RemoveTagsFromResource")
        check("low", "unknown_operation", "", name="X")
        check("low", "unknown_operation", "", name=None)
        check("informational", "", "", name="ListHsms")

    def test_sharing(self):
        def share(principal, **more):
            return {"name": "PutResourcePolicy", "rp": {"policy": json.dumps({"Statement": {"Effect": "Allow", "Principal": principal}})}, **more}
        self.check("high", "backup_shared", "T1537", **share({"AWS": ME, "Service": "x.amazonaws.com"}, recipientAccountId=ME))
        self.check("critical", "backup_shared backup_shared_externally", "T1537", **share(ME))
        self.check("critical", "backup_shared backup_shared_externally", "T1537", **share("x.amazonaws.com.cn", recipientAccountId=ME))
        self.check("high", "backup_shared", "T1537", name="PutResourcePolicy", rp={"policy": '{"Statement":[]}'})
        for policy in (None, "", "x", "[]", "{}", '{"Statement":"x"}', {"Statement": []}):
            self.check("critical", "backup_shared unreadable_policy", "T1537", name="PutResourcePolicy", rp={"policy": policy})

    def test_failure(self):
        check = self.check
        check("high", "denied_destructive", "T1485", name="DeleteHsm", errorCode="AccessDenied")
        check("high", "denied_destructive", "T1537", name="PutResourcePolicy", errorCode="AccessDenied")
        check("high", "denied_destructive denied_read", "T1485 T1580", name="DeleteX", readOnly=True, errorCode="AccessDenied")
        check("medium", "denied_write", "T1580", name="CreateHsm", errorCode="AccessDenied")
        check("medium", "denied_write endpoint_policy_denied", "T1580", name="CreateHsm", errorCode="VpceAccessDenied")
        check("low", "denied_read", "T1580", errorCode="AccessDenied")
        check("medium", "unauthenticated_call", "T1078.004", errorCode="ExpiredToken")
        check("low", "throttled_destructive", "", name="DeleteHsm", errorCode="Throttling")
        check("informational", "", "", name="CreateHsm", errorCode="Throttling")
        check("medium", "failed_destructive", "", name="DeleteHsm", errorCode="X")
        check("low", "failed_write", "", name="CreateHsm", errorMessage="x")
        check("informational", "", "", errorCode="X")

    def test_actor(self):
        check = self.check
        root, user = {"type": "Root"}, {"type": "IAMUser"}
        check("medium", "root_actor", "T1078.004", ui=root)
        check("high", "tags_changed root_actor", "T1078.004", name="TagResource", ui=root)
        check("critical", "hsm_deleted root_actor", "T1485 T1489 T1078.004", name="DeleteHsm", ui=root)
        check("medium", "tags_changed cross_account_actor", "T1078.004", name="TagResource", ui={**user, "accountId": OTHER}, recipientAccountId=ME)
        check("critical", "cluster_deleted cross_account_actor", "T1485 T1078.004", name="DeleteCluster", ui={**user, "accountId": OTHER}, recipientAccountId=ME)
        check("low", "tags_changed long_term_key no_mfa service_initiated", "T1078.004", name="TagResource",
              ui={**user, "accessKeyId": "AKIA1", "invokedBy": "x", **session(mfaAuthenticated="false")})
        check("informational", "", "", ui={**user, "accessKeyId": "AKIA1", "accountId": OTHER, "invokedBy": "x", **session(mfaAuthenticated="false")}, recipientAccountId=ME)
        check("high", "failed_write root_actor", "T1078.004", name="CreateHsm", errorCode="X", ui=root)


class Text(unittest.TestCase):
    def test_strings(self):
        self.assertEqual(fields.write_string('"\\\b\f\n\r\t\u0000\u001f/\u007f\u2028é😀'), '"\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f/\u007f\u2028é😀"')
        record = rb'{"eventSource":"cloudhsm.amazonaws.com","eventName":"\ud83d\ude00\ud800\u0041"}'
        self.assertIn('"operation":"😀\ufffdA"'.encode(), fields.expected_line(record))

    def test_members_are_read_unescaped_and_the_last_wins(self):
        twice = rb'{"eventSource":"cloudhsm.amazonaws.com","eventName":"DeleteHsm","eventName":5,"event\u004eame":"ListTags"}'
        self.assertIn(b'"operation":"ListTags"', fields.expected_line(twice))
        for passed in (rb'{"eventSource":"cloudhsm.amazonaws.com","\u0063loudhsm":1}', rb'{"eventSource":"cloudhsm.amazonaws.com","eventSource":null}', b"{}"):
            self.assertEqual(fields.expected_line(passed), passed)

    def test_numbers_and_depth_are_no_obstacle(self):
        deep = b"[" * 127 + b"]" * 127
        record = b'{"eventSource":"cloudhsm.amazonaws.com","a":' + b"1" * 5000 + b',"b":1e400,"c":' + deep + b"}"
        self.assertTrue(fields.expected_line(record).startswith(record[:-1] + b',"cloudhsm":{"version":1,'))

    def test_one_line(self):
        self.assertEqual(fields.one_line(b'{ "a":1 \r\n\t ,\n\n  "b": "x  y"\r}'), b'{ "a":1 ,"b": "x  y"}')

    def test_what_was_added_twice_is_added_once(self):
        for record in generate.records(5, 300):
            line = fields.expected_line(record)
            self.assertEqual(fields.expected_line(line), line)
            self.assertTrue(line == record or line.startswith(record[:record.rindex(b"}")]))

    def test_layout_changes_nothing_but_itself(self):
        for record in generate.records(6, 300):
            compact = damage.indented(record.decode(), "", "\n").encode()
            for step, newline in (("  ", "\n"), ("\t", "\r\n"), ("", "\r")):
                spread = damage.indented(record.decode(), step, newline).encode()
                self.assertEqual(fields.expected_line(spread), fields.expected_line(compact))

    @unittest.skipUnless(SHARED.is_dir(), "the shared samples are not here")
    def test_worked_example(self):
        document = (SHARED / "fields.md").read_text(encoding="utf-8")
        example = document.rpartition("```json\n")[2].partition("```")[0]
        expected = "".join(line.strip() for line in example.splitlines())
        sample = (SHARED / "samples/cloudhsm/create-hsm-docs-2017.json").read_text(encoding="utf-8")
        self.assertEqual(fields.enrich(fields.decode(sample)), expected)

    @unittest.skipUnless(SHARED.is_dir(), "the shared samples are not here")
    def test_console_sample(self):
        sample = (SHARED / "samples/cloudhsm/create-cluster-console-2022.json").read_bytes().strip()
        got = json.loads(fields.expected_line(sample))
        self.assertEqual((got["cloudhsm"]["origin"]["client"], got["cloudhsm"]["resource"]["retention_days"], got["cloudhsm"]["reasons"]), ("console", 90, ["cluster_created", "no_mfa"]))
        del got["cloudhsm"]
        self.assertEqual(got, json.loads(sample))


if __name__ == "__main__":
    unittest.main()
