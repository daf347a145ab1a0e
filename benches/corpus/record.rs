//! Puts one CloudTrail record together, its members in the order in which CloudTrail writes them.

use super::callers::Caller;
use super::text::Scene;

/// One API call of a service: the parts of its record that do not depend on who made it.
/// Texts are templates (see [`super::text`]) of JSON.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Call {
    /// `eventSource` without `.amazonaws.com`.
    pub(crate) source: &'static str,
    /// Host of the endpoint, before `.REGION.amazonaws.com`; empty: like `source`.
    pub(crate) host: &'static str,
    /// `eventName`.
    pub(crate) name: &'static str,
    /// `readOnly`.
    pub(crate) read_only: bool,
    /// A data event, not a management event.
    pub(crate) data: bool,
    /// `requestParameters`.
    pub(crate) request: &'static str,
    /// `responseElements`.
    pub(crate) response: &'static str,
    /// Whole members after `responseElements`, each with its comma at the end.
    pub(crate) extra: &'static str,
    /// Whole members after `readOnly`, each with its comma at the end.
    pub(crate) resources: &'static str,
    /// How often it occurs, beside the others.
    pub(crate) weight: u32,
}

impl Call {
    /// A call that changes something.
    pub(crate) const WRITE: Self = Self {
        source: "",
        host: "",
        name: "",
        read_only: false,
        data: false,
        request: "null",
        response: "null",
        extra: "",
        resources: "",
        weight: 1,
    };
}

/// `errorCode` and `errorMessage`; the message is a template.
pub(crate) type Failure = (&'static str, &'static str);

/// Appends the record of one call, without a line break.
pub(crate) fn write(
    scene: &Scene<'_>,
    who: &Caller,
    call: &Call,
    failure: Option<Failure>,
    out: &mut String,
) {
    let scene = Scene {
        arn: who.arn,
        operation: call.name,
        ..*scene
    };
    for part in [
        r#"{"eventVersion":"<version>","userIdentity":"#,
        who.identity,
        r#","eventTime":"<time>","eventSource":""#,
        call.source,
        r#".amazonaws.com","eventName":""#,
        call.name,
        r#"","awsRegion":"<region>","sourceIPAddress":""#,
        who.address,
        r#"","userAgent":""#,
        who.agent,
    ] {
        scene.fill(part, out);
    }
    if let Some((code, message)) = failure {
        for part in [r#"","errorCode":""#, code, r#"","errorMessage":""#, message] {
            scene.fill(part, out);
        }
    }
    let response = if failure.is_some() {
        "null"
    } else {
        call.response
    };
    for part in [
        r#"","requestParameters":"#,
        call.request,
        r#","responseElements":"#,
        response,
        ",",
        call.extra,
        r#""requestID":"<uuid:request>","eventID":"<uuid:event>","readOnly":"#,
        if call.read_only { "true," } else { "false," },
        call.resources,
        r#""eventType":""#,
        who.event_type,
        r#"","managementEvent":"#,
        if call.data { "false" } else { "true" },
        r#","recipientAccountId":"<account>","eventCategory":""#,
        if call.data { "Data" } else { "Management" },
        "\"",
    ] {
        scene.fill(part, out);
    }
    ending(&scene, who, call, out);
}

/// The members about the connection, which depend on how the call came.
fn ending(scene: &Scene<'_>, who: &Caller, call: &Call, out: &mut String) {
    let host = if call.host.is_empty() {
        call.source
    } else {
        call.host
    };
    if who.own_connection {
        out.push_str(r#","tlsDetails":{"#);
        if !who.console {
            scene.fill(r#""tlsVersion":"TLSv1.3","cipherSuite":"<cipher:@>","#, out);
        }
        for part in [
            r#""clientProvidedHostHeader":""#,
            host,
            r#".<region>.amazonaws.com"}"#,
        ] {
            scene.fill(part, out);
        }
    }
    if who.console {
        out.push_str(r#","sessionCredentialFromConsole":"true""#);
    }
    out.push('}');
}
