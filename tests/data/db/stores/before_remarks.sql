-- A store as an earlier prefloop (commit 2d992ac) left it, dumped by sqlite3: what people had said before remarks, gold and invites.
PRAGMA application_id=1886545254;
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'prefloop','people','2026-11-23 07:03:15.184023+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'prefloop','prompts','2026-11-23 07:03:15.188499+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'prefloop','versions_and_rounds','2026-11-23 07:03:15.205311+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'prefloop','pairs','2026-11-23 07:03:15.217676+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'prefloop','leases','2026-11-23 07:03:15.225489+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'prefloop','judgments','2026-11-23 07:03:15.248147+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'prefloop','snapshots','2026-11-23 07:03:15.256047+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'prefloop','flip_rates','2026-11-23 07:03:15.257829+00:00');
CREATE TABLE adapter_version(
          id integer primary key,
          name text not null unique,
          base_model text not null,
          base_revision text not null,
          parent_id integer references adapter_version(id),
          round_id integer references round(id),
          sha256 text,
          created_at integer not null,
          check ((parent_id is null) = (sha256 is null))
        ) strict;
INSERT INTO "adapter_version" VALUES(1,'base','base','0',NULL,NULL,NULL,1700000000000);
CREATE TABLE annotator(
          id integer primary key,
          pseudonym text not null unique,
          role text not null check (role in ('annotator', 'admin')),
          created_at integer not null
        ) strict;
INSERT INTO "annotator" VALUES(1,'ready-badger-57','annotator',1700000000000);
INSERT INTO "annotator" VALUES(2,'quick-panda-25','annotator',1700000000000);
CREATE TABLE annotator_identity(
          annotator_id integer primary key references annotator(id),
          login text not null unique collate nocase,
          password_hash text
        ) strict;
INSERT INTO "annotator_identity" VALUES(1,'ann0','$argon2id$not-a-real-one');
INSERT INTO "annotator_identity" VALUES(2,'ann1',NULL);
CREATE TABLE audit(
          id integer primary key,
          actor_id integer references annotator(id),
          action text not null,
          detail text not null check (json_valid(detail)),
          created_at integer not null
        ) strict;
CREATE TABLE completion(
          id integer primary key,
          prompt_id integer not null references prompt(id),
          version_id integer not null references adapter_version(id),
          text text not null,
          token_ids text not null check (json_valid(token_ids)),
          logprobs text not null check (json_valid(logprobs)),
          finish_reason text not null check (finish_reason in ('stop', 'length')),
          sampling text not null check (json_valid(sampling)),
          seed integer not null,
          created_at integer not null,
          sha256 text not null
        ) strict;
INSERT INTO "completion" VALUES(1,1,1,'left 2','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'dc6545101253b5d1c57d0020d7375f6f170fc75526dfc8649b8d48a04a198f4c');
INSERT INTO "completion" VALUES(2,1,1,'right 2','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'5d0e689e98b100b2368bd4ca04a98003476ee539a7c22c328b34c904733ab6ce');
INSERT INTO "completion" VALUES(3,2,1,'left 4','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'8b471fdcebb30a5f9c4a55b6e80d8fac1f860c061c429d3b23930d78974e60ab');
INSERT INTO "completion" VALUES(4,2,1,'right 4','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'a648e1c50ec58e3a5ad6c873d885d65883e8d16cb000d10f9c99cd0dcab7397a');
INSERT INTO "completion" VALUES(5,3,1,'left 6','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'25ff992a28cc0aec26fddb3038b244abbafacdf420424f13dedc5fefd34669c5');
INSERT INTO "completion" VALUES(6,3,1,'right 6','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'726b7bf98546e327450d927b1223717d1fd5957210060be136158b4ab3429a77');
INSERT INTO "completion" VALUES(7,4,1,'left 8','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'644b0dcd5eb44a67c5c293c964ac12356e32796a0a1b5134821747dfd7d35c10');
INSERT INTO "completion" VALUES(8,4,1,'right 8','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'572996e07d9147458cb609e683326ebee8d4c39480c98db1107a14ad52924c26');
INSERT INTO "completion" VALUES(9,6,1,'left 10','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'4af55aa102bc62062f1dd08cba517cfd6ec7105c5dd462c3f2b09ad24e802b94');
INSERT INTO "completion" VALUES(10,6,1,'right 10','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'8df8d65361da32c67266e4fc99d9a6d97cbe690ae84e336acae53026b2424695');
INSERT INTO "completion" VALUES(11,7,1,'left 13','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'652d94aa23f38962d5a39204a32a6746babceb7842da65e8505ebdf7df7847f1');
INSERT INTO "completion" VALUES(12,7,1,'right 13','[5,6,2]','[-0.25,-1.5,-0.001]','stop','{"max_new_tokens":128,"repetition_penalty":1.0,"temperature":0.9,"top_k":0,"top_p":0.95}',1,1700000000000,'878f96a5b8dd9f62cb1a14c8a1f90c098d6dc83ea809ff074df2bbb5d93665ae');
CREATE TABLE guideline(
          id integer primary key,
          version text not null unique,
          sha256 text not null,
          body text not null,
          created_at integer not null
        ) strict;
CREATE TABLE judgment(
          id integer primary key,
          pair_id integer not null references pair(id),
          annotator_id integer not null references annotator(id),
          lease_id integer not null references lease(id),
          idempotency_key text unique,
          choice text not null check (choice in ('a', 'b', 'tie', 'both_bad', 'skip', 'retracted')),
          strength integer check (strength between 1 and 3),
          swapped integer not null check (swapped in (0, 1)),
          elapsed_ms integer,
          supersedes_id integer unique references judgment(id),
          created_at integer not null,
          sha256 text not null,
          check (strength is null or choice in ('a', 'b')),
          check ((choice = 'retracted') = (idempotency_key is null)),
          check (choice <> 'retracted' or supersedes_id is not null)
        ) strict;
INSERT INTO "judgment" VALUES(1,1,1,1,'key 15','a',2,1,NULL,NULL,1700000001000,'bc9bac07e5cbed94e0830582f6568dea5ac636567c5c808110a0a7f10b49a18e');
INSERT INTO "judgment" VALUES(2,2,1,2,'key 16','b',2,1,NULL,NULL,1700000002000,'27ef020c5c11505e72f8798961b19ca5aa097c5f8716c141fbb821862fab45cb');
INSERT INTO "judgment" VALUES(3,3,1,3,'key 17','tie',NULL,0,NULL,NULL,1700000003000,'3dc7ceb13b0aee57c1b5c5b9171cbbaae8bcba6b5dfbb8c3ae35598fc7667b7f');
INSERT INTO "judgment" VALUES(4,4,1,4,'key 18','a',NULL,0,NULL,NULL,1700000003000,'3eea38265bafe4373c5821cc2283afeb999f57b351c5c1a3512b598d14dbfc76');
INSERT INTO "judgment" VALUES(5,4,2,5,'key 19','a',NULL,1,NULL,NULL,1700000003000,'3ef9863170282dda5e2d37b466b912d302fd4a43c68878aed6d45856d7b6ca76');
INSERT INTO "judgment" VALUES(6,5,2,6,'key 20','b',NULL,1,NULL,NULL,1700000003000,'27969c9c84eb2cb20d966e0a6eeea27c58e95aa73bb14f584b5e742267cc6e35');
INSERT INTO "judgment" VALUES(7,4,1,4,NULL,'retracted',NULL,0,NULL,4,1700000004000,'71d6a09771c118f7393d27f7a10a47c52ff3007e0f50950d7dcc63f2b82f08b6');
INSERT INTO "judgment" VALUES(8,4,1,7,'key 21','b',NULL,0,NULL,7,1700000004000,'c43dd494e2abfd8492521063784f74997ea60b6c45dad271d00cf585f19fc7d0');
CREATE TABLE lease(
          id integer primary key,
          pair_id integer not null references pair(id),
          annotator_id integer not null references annotator(id),
          token text not null unique,
          swapped integer not null check (swapped in (0, 1)),
          leased_at integer not null,
          expires_at integer not null,
          released_at integer
        ) strict;
INSERT INTO "lease" VALUES(1,1,1,'tV75SKI0t_wYsjEB7O8irCFTmrUS_r5C',1,1700000001000,1700000601000,1700000001000);
INSERT INTO "lease" VALUES(2,2,1,'d7KVq7fKKq8ZgQmY7lAVPfaJtjicNdzD',1,1700000002000,1700000602000,1700000002000);
INSERT INTO "lease" VALUES(3,3,1,'upLe6kRBMimIZdKDil82fZcu5TDjbfrz',0,1700000003000,1700000603000,1700000003000);
INSERT INTO "lease" VALUES(4,4,1,'cfhBnkVd0pepkOFhddEJGRzJGgNuKRz3',0,1700000003000,1700000603000,1700000003000);
INSERT INTO "lease" VALUES(5,4,2,'M0aS-eG9SLhv3pcoF2d_nF4JSNh3nJaF',1,1700000003000,1700000603000,1700000003000);
INSERT INTO "lease" VALUES(6,5,2,'XYZRb7uVwR6nlKvA1N5VJy8RfdhMQHIq',1,1700000003000,1700000603000,1700000003000);
INSERT INTO "lease" VALUES(7,4,1,'kSqp1QxZ6ylqzR3jttR-ziS7km4d7tUb',0,1700000004000,1700000604000,1700000004000);
CREATE TABLE pair(
          id integer primary key,
          prompt_id integer not null references prompt(id),
          completion_a_id integer not null references completion(id),
          completion_b_id integer not null references completion(id),
          version_id integer not null references adapter_version(id),
          purpose text not null default 'train' check (purpose in ('train', 'eval', 'gold', 'reask')),
          strategy text not null,
          propensity real,
          priority real not null default 0,
          target_judgments integer not null check (target_judgments > 0),
          judged integer not null default 0,
          withdrawn_at integer,
          created_at integer not null,
          check (completion_a_id <> completion_b_id)
        ) strict;
INSERT INTO "pair" VALUES(1,1,1,2,1,'train','random',NULL,0.0,1,1,NULL,1700000000000);
INSERT INTO "pair" VALUES(2,2,3,4,1,'train','random',NULL,0.0,1,1,NULL,1700000000000);
INSERT INTO "pair" VALUES(3,3,5,6,1,'train','random',NULL,0.0,1,1,NULL,1700000000000);
INSERT INTO "pair" VALUES(4,4,7,8,1,'train','random',NULL,0.0,2,2,NULL,1700000000000);
INSERT INTO "pair" VALUES(5,6,9,10,1,'train','random',NULL,0.0,1,1,NULL,1700000000000);
INSERT INTO "pair" VALUES(6,7,11,12,1,'train','random',NULL,0.0,1,0,NULL,1700000000000);
CREATE TABLE prompt(
          id integer primary key,
          messages text not null check (json_valid(messages)),
          sha256 text not null unique,
          split text not null check (split in ('train', 'heldout')),
          source text not null,
          license text,
          pairs integer not null default 0,
          created_at integer not null
        ) strict;
INSERT INTO "prompt" VALUES(1,'[{"content":"question 3","role":"user"}]','3377e25f11f2d2792d276c4fbdd78f75a34401bd8a063bdc8e99248e26b0d354','train','test',NULL,1,1700000000000);
INSERT INTO "prompt" VALUES(2,'[{"content":"question 5","role":"user"}]','47021ab4f46dcef3a69a215a42be61319142718a2ffe5574811152a385b9da63','train','test',NULL,1,1700000000000);
INSERT INTO "prompt" VALUES(3,'[{"content":"question 7","role":"user"}]','69beeb9082376e622d8cf9c30d91c249416651954614c55968de74e9cfbfe585','train','test',NULL,1,1700000000000);
INSERT INTO "prompt" VALUES(4,'[{"content":"question 9","role":"user"}]','bf821c489780884a4dd970f83f3368e673133b9651bfece4f51c6575e1646a50','train','test',NULL,1,1700000000000);
INSERT INTO "prompt" VALUES(5,'[{"content":"question 11","role":"user"}]','e7110bdbb8c8d020c59487e13b345955a16dc67a6192fa434e1a240855e7fff3','train','test',NULL,0,1700000000000);
INSERT INTO "prompt" VALUES(6,'[{"content":"question 12","role":"user"}]','b43c3aaa547b1fdab9cad04e5dcdec5574359f2f14f81c6519b891c60287a166','heldout','test',NULL,1,1700000000000);
INSERT INTO "prompt" VALUES(7,'[{"content":"question 14","role":"user"}]','7a212162a62e2f044038daf95604e9d87b88cdd12ddc509fbeb3fd809afd3126','train','test',NULL,1,1700000000000);
CREATE TABLE round(
          id integer primary key,
          state text not null check
            (state in ('queued', 'training', 'swapping', 'promoted', 'failed', 'cancelled')),
          reason text,
          config text not null check (json_valid(config)),
          counts text not null check (json_valid(counts)),
          started_by integer references annotator(id),
          created_at integer not null,
          ended_at integer, flip_rate real,
          check ((ended_at is not null) = (state in ('promoted', 'failed', 'cancelled')))
        ) strict;
INSERT INTO "round" VALUES(1,'cancelled',NULL,'{"trainer":"x"}','{"both_bad":0,"excluded_split":2,"excluded_tie":1,"heldout":1,"judgments":3,"train":2}',NULL,1700000004000,1700000004000,NULL);
CREATE TABLE round_judgment(
          round_id integer not null references round(id),
          judgment_id integer not null references judgment(id),
          role text not null check (role in ('train', 'heldout')),
          primary key (round_id, judgment_id)
        ) strict, without rowid;
INSERT INTO "round_judgment" VALUES(1,1,'train');
INSERT INTO "round_judgment" VALUES(1,2,'train');
INSERT INTO "round_judgment" VALUES(1,6,'heldout');
CREATE TABLE serving_event(
          id integer primary key,
          version_id integer not null references adapter_version(id),
          action text not null check (action in ('install', 'promote', 'rollback')),
          actor_id integer references annotator(id),
          reason text not null,
          created_at integer not null
        ) strict;
CREATE TABLE session(
          token_sha256 text primary key,
          annotator_id integer not null references annotator(id),
          created_at integer not null,
          expires_at integer not null
        ) strict, without rowid;
INSERT INTO "session" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',1,1700000000000,2700000000000);
CREATE TABLE sign_in_link(
          token_sha256 text primary key,
          annotator_id integer not null references annotator(id),
          created_at integer not null,
          expires_at integer not null,
          spent_at integer
        ) strict, without rowid;
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX prompt_next on prompt(pairs, sha256);
CREATE INDEX prompt_split on prompt(split, sha256);
CREATE UNIQUE INDEX round_one_at_a_time on round((ended_at is null)) where ended_at is null;
CREATE INDEX pair_open on pair(priority desc, id)
          where judged < target_judgments and withdrawn_at is null;
CREATE INDEX pair_open_of_version on pair(version_id, priority desc, id)
          where judged < target_judgments and withdrawn_at is null;
CREATE TRIGGER pair_counts_on_prompt after insert on pair begin
          update prompt set pairs = pairs + 1 where id = new.prompt_id;
        end;
CREATE UNIQUE INDEX lease_held on lease(annotator_id) where released_at is null;
CREATE INDEX lease_held_of_pair on lease(pair_id) where released_at is null;
CREATE INDEX lease_of_annotator on lease(annotator_id);
CREATE UNIQUE INDEX judgment_once on judgment(pair_id, annotator_id) where supersedes_id is null;
CREATE UNIQUE INDEX judgment_of_lease on judgment(lease_id) where choice <> 'retracted';
CREATE INDEX judgment_of_pair on judgment(pair_id, annotator_id);
CREATE INDEX judgment_of_annotator on judgment(annotator_id);
CREATE VIEW current_judgment as
          select * from judgment j where choice <> 'retracted'
          and not exists (select 1 from judgment s where s.supersedes_id = j.id);
CREATE TRIGGER judgment_no_update before update on judgment begin
          select raise(abort, 'judgment is append-only');
        end;
CREATE TRIGGER judgment_no_delete before delete on judgment begin
          select raise(abort, 'judgment is append-only');
        end;
CREATE TRIGGER judgment_no_replace before insert on judgment
          when exists (select 1 from judgment where id = new.id
            or idempotency_key = new.idempotency_key or supersedes_id = new.supersedes_id
            or (lease_id = new.lease_id and choice <> 'retracted' and new.choice <> 'retracted')
            or (pair_id = new.pair_id and annotator_id = new.annotator_id
                and supersedes_id is null and new.supersedes_id is null)) begin
          select raise(abort, 'judgment is append-only');
        end;
CREATE TRIGGER judgment_supersedes_own before insert on judgment
          when new.supersedes_id is not null and not exists (
            select 1 from judgment where id = new.supersedes_id
            and pair_id = new.pair_id and annotator_id = new.annotator_id) begin
          select raise(abort, 'a judgment supersedes only one of the same pair and annotator');
        end;
CREATE TRIGGER judgment_fills_pair after insert on judgment begin
          update pair set judged = judged + (new.choice not in ('skip', 'retracted'))
            - coalesce((select choice not in ('skip', 'retracted') from judgment
                        where id = new.supersedes_id), 0)
          where id = new.pair_id;
        end;
CREATE TRIGGER round_judgment_no_update before update on round_judgment begin
          select raise(abort, 'a snapshot is frozen');
        end;
CREATE TRIGGER round_judgment_no_delete before delete on round_judgment begin
          select raise(abort, 'a snapshot is frozen');
        end;
CREATE TRIGGER round_judgment_no_replace before insert on round_judgment
          when exists (select 1 from round_judgment
            where round_id = new.round_id and judgment_id = new.judgment_id) begin
          select raise(abort, 'a snapshot is frozen');
        end;
COMMIT;
