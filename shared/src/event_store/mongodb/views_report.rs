//! How far the live views are, told by the projector that moves their checkpoint.

use kernel::Result;
use mongodb::bson::doc;

use super::{MongoDb, failure, integer};
use crate::event_store::ViewsReport;

pub const REPORTING: &str = "reporting how far the views are";

impl MongoDb {
    pub(super) async fn write_report(&self, report: ViewsReport) -> Result<()> {
        let id = doc! { "_id": format!("views/{}", self.known_log().await?) };
        let update = doc! { "$set": { "checkpoint": report.checkpoint } };
        let written = self.control.update_one(id, update).upsert(true).await;
        written.map(drop).map_err(failure(REPORTING))
    }

    pub(super) async fn read_report(&self) -> Result<Option<ViewsReport>> {
        let id = doc! { "_id": format!("views/{}", self.known_log().await?) };
        let found = self.control.find_one(id).await.map_err(failure(REPORTING))?;
        let Some(found) = found else { return Ok(None) };
        Ok(Some(ViewsReport { checkpoint: integer(REPORTING, &found, "checkpoint")? }))
    }
}
