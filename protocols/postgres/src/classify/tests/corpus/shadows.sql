-- What makes a text that looks like a plain read another thing: functions and operators that fit closer than PostgreSQL's
-- own, columns that are calls, views, types, casts and policies with code, rows from elsewhere.
CREATE TABLE public.log(what text);
CREATE FUNCTION public.note(text) RETURNS text LANGUAGE sql AS 'INSERT INTO public.log VALUES ($1) RETURNING what';
CREATE FUNCTION public.noted(text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log VALUES ($1); RETURN true; END';

CREATE FUNCTION public.upper(varchar) RETURNS text LANGUAGE sql AS 'SELECT public.note($1)';
CREATE FUNCTION public.length(mytype) RETURNS int LANGUAGE sql AS 'SELECT public.note(''length'')::int';
CREATE FUNCTION public.same(varchar, varchar) RETURNS bool LANGUAGE sql AS 'SELECT public.noted($1)';
CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.same);
CREATE OPERATOR public.~~ (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.same);
CREATE OPERATOR public.<= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.same);
CREATE FUNCTION public.step(text, varchar) RETURNS text LANGUAGE sql AS 'SELECT public.note($2)';
CREATE AGGREGATE public.max(varchar) (SFUNC = public.step, STYPE = text);
CREATE TABLE public.words(id int, word varchar);
INSERT INTO public.words VALUES (1, 'a');

CREATE FUNCTION public.wipe(public.words) RETURNS bigint LANGUAGE sql AS 'WITH d AS (DELETE FROM public.words RETURNING 1) SELECT count(*) FROM d';

CREATE VIEW public.plain_view AS SELECT id FROM public.words;
CREATE VIEW public.bad_view AS SELECT public.note('view') AS id;
CREATE VIEW public.behind AS SELECT * FROM public.bad_view;
CREATE VIEW public.through AS SELECT code FROM secret.t;
CREATE VIEW public.of_file AS SELECT * FROM public.passwords;
CREATE VIEW public.operated AS SELECT id FROM public.words WHERE word OPERATOR(public.=) 'a'::varchar;
CREATE VIEW public.catalogue_view AS SELECT rolpassword FROM pg_catalog.pg_authid;
CREATE MATERIALIZED VIEW public.kept AS SELECT code FROM secret.t;

CREATE DOMAIN public.checked AS text CHECK (public.noted(VALUE));
CREATE TABLE public.tagged(id int, tags public.checked[]);
CREATE DOMAIN public.short AS text CHECK (length(VALUE) < 99);
CREATE TABLE public.quiet(id int, tags public.short[], kind mytype);
CREATE TYPE public.pair AS (a int, b int);
CREATE FUNCTION public.pair_text(public.pair) RETURNS text LANGUAGE sql AS 'SELECT public.note(''cast'')';
CREATE CAST (public.pair AS text) WITH FUNCTION public.pair_text(public.pair) AS IMPLICIT;
CREATE TABLE public.pairs(p public.pair); INSERT INTO public.pairs VALUES ('(1,2)');

CREATE TABLE public.guarded(id int); INSERT INTO public.guarded VALUES (1);
ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON public.guarded USING (public.noted('policy'));
CREATE TABLE public.own_rows(id int); ALTER TABLE public.own_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON public.own_rows USING (id < 5);

CREATE TABLE secret.child(extra text) INHERITS (public.parent); INSERT INTO secret.child VALUES (1, 'x');
CREATE TABLE public.parts(id int) PARTITION BY LIST (id);
CREATE TABLE public.part_1 PARTITION OF public.parts FOR VALUES IN (1);
CREATE TABLE secret.part_2 PARTITION OF public.parts FOR VALUES IN (2);
CREATE TABLE public.mixed(line text) PARTITION BY LIST (line);
CREATE FOREIGN TABLE public.mixed_1 PARTITION OF public.mixed DEFAULT SERVER files OPTIONS (filename '/etc/passwd');
CREATE FOREIGN TABLE public.program(line text) SERVER files OPTIONS (program 'touch /tmp/ran; echo x');
