//! The provider's addresses as it publishes them (`OpenID Connect Discovery 1.0`), and what they have to be like.

use serde::Deserialize;

use crate::config::Identity as Settings;
use crate::config::identity::is_safe_address;
use crate::domain::provider::ProviderFault as Fault;

use super::keys::Algorithm;

/// The provider's addresses, as it publishes them.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Discovery {
    issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) userinfo_endpoint: Option<String>,
    pub(super) device_authorization_endpoint: Option<String>,
    response_types_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    pub(super) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl Discovery {
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Fault> {
        if self.issuer != settings.issuer {
            return Err(Fault::DiscoveryIssuer);
        }
        let addresses = [
            Some(&self.authorization_endpoint),
            Some(&self.token_endpoint),
            Some(&self.jwks_uri),
            self.userinfo_endpoint.as_ref(),
            self.device_authorization_endpoint.as_ref(),
        ];
        let mut addresses = addresses.into_iter().flatten();
        if !addresses.all(|address| is_safe_address(address, settings.loopback)) {
            return Err(Fault::DiscoveryEndpoint);
        }
        let lacks = |list: &Option<Vec<String>>, fits: &dyn Fn(&str) -> bool| {
            list.as_ref()
                .is_some_and(|list| !list.iter().any(|word| fits(word)))
        };
        if lacks(&self.response_types_supported, &|word| word == "code")
            || lacks(&self.code_challenge_methods_supported, &|word| {
                word == "S256"
            })
        {
            return Err(Fault::DiscoveryFlow);
        }
        if lacks(&self.id_token_signing_alg_values_supported, &|word| {
            Algorithm::named(word).is_some()
        }) {
            return Err(Fault::DiscoveryAlgorithms);
        }
        Ok(())
    }
}
