//! Filing and deciding requests.

use portcullis::wire::Approval;

use crate::support::world::{Backend, World, key, on_both, submit};

on_both! {
    async fn an_approved_request_becomes_an_active_grant(world: World) {
        let ada = world.engineer("ada").await;
        let request = submit(&ada).await;
        assert_eq!(request.state, "pending");
        let approved = world.admin().approve(&request.id, request.version, &Approval::default(), &key()).await.unwrap();
        assert_eq!(approved.state, "approved");
        let grant = world.grant_in(approved.grant.as_deref().unwrap(), &["active"]).await;
        assert_eq!((grant.holder.as_str(), grant.role.as_str()), ("ada", "readonly"));
    }
}
