//! Why the other side of an encrypted connection is not believed to be who was asked, in the reader's words.

/// What is wrong with a certificate, if that is what this error of a connection is about.
pub fn distrust(error: &str) -> Option<&'static str> {
    let (_, why) = error.split_once("invalid peer certificate: ")?;
    Some(
        if why.starts_with("UnknownIssuer")
            || why.starts_with("BadSignature")
            || why.contains("CaUsedAsEndEntity")
        {
            "its certificate comes from no authority that this machine trusts"
        } else if why.contains("xpired") {
            "its certificate has expired"
        } else if why.contains("NotValidForName") || why.contains("not valid for name") {
            "its certificate is for another name"
        } else {
            "its certificate cannot be accepted"
        },
    )
}
